"""How fast each part is, as data: `python -m vsadcvsr.bench`."""
