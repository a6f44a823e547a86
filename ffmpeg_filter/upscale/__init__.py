"""Upscaling of frames in memory."""
