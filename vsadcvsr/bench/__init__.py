"""Benchmarks of each component, with results as data: `adcvsr bench`."""
