"""Weights of models: catalogue, files, download, conversion."""
