"""Farms: one FFmpeg command divided into chunks that many machines upscale."""
