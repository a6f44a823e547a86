"""Measures what the project claims: fidelity, detail, steadiness, cuts. Needs the `train` extra (OpenCV, PyAV)."""
