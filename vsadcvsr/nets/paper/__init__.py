"""The paper's network: AdcSR's pruned UNet and half decoder, with convolutions along time."""
