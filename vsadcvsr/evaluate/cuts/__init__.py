"""Evaluation of the cut detector."""
