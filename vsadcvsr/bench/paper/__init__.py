"""Benchmark and cost estimates of the paper's network on a GPU."""
