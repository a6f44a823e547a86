"""FFmpeg command lines: parsing, filter graphs, and the files that they read and write."""
