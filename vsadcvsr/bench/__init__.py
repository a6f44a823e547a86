"""Benchmarks of each component, with results as data: `python -m vsadcvsr.bench`."""
