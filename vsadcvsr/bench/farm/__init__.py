"""Benchmark of farms: measured overhead and a forecast for many GPUs."""
