"""Metrics of customer experience as views: one regular view a metric, declared as data."""

from pipeline.warehouse.views.metrics.views import metric_views, metrics

__all__ = ["metric_views", "metrics"]
