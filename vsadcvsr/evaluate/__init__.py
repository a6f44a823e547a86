"""Measures what the project claims: fidelity, detail, steadiness, cuts. Needs the `evaluate` extra (OpenCV)."""
