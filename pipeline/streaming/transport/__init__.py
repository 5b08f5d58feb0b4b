"""
A transport for Faust that delivers chunks: one message is one fetched piece of one partition.

Faust finds it by the scheme `throughline://` (entry point `faust.transports`).
"""

from pipeline.streaming.transport.driver import Transport, TransportLimits

__all__ = ["Transport", "TransportLimits"]
