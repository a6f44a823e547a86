"""Metrics of evaluation, full-reference and no-reference, and the registry of table columns."""
