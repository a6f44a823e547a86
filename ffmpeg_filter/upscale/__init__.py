"""Frames in memory through the engine."""
