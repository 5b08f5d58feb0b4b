"""What can be derived from one touchpoint alone: channel group, user agent, referrer. Pure."""

from pipeline.enrichment.enrich import enrich

__all__ = ["enrich"]
