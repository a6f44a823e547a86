"""Adversarial training: discriminators, kinds of sample, feature targets, gradient balance."""
