"""Measures what the project claims: fidelity, steadiness, cuts. Needs the `train` extra (OpenCV, PyAV)."""
