"""Teachers, and labelling of datasets by them."""
