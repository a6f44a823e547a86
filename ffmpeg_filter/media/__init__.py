"""FFmpeg processes, and the formats of frames, streams and pipes."""
