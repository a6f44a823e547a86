"""FFmpeg command lines: their syntax, and the files that they name."""
