"""One command on one machine: an FFmpeg that decodes, the engine, an FFmpeg that encodes."""
