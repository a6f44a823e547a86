"""Networks in PyTorch: clip form for training, step form for streaming, one set of weights for both."""
