"""The PyTorch backend: streams, host–device transfers, CUDA graphs, planar output on the device."""
