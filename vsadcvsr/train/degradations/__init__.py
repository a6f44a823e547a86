"""Degradations of training clips: operators, sampling of their parameters, presets."""
