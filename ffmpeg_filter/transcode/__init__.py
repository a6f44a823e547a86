"""A command on one machine: an FFmpeg that decodes, the engine, and an FFmpeg that encodes."""
