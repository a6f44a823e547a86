"""Evaluation of fidelity, detail, temporal consistency and cut detection. Needs the `evaluate` extra."""
