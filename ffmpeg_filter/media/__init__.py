"""FFmpeg as a program, and the formats of frames, streams and pipes."""
