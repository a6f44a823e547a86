"""Training data: reading of sources, building of datasets, sampling of batches."""
