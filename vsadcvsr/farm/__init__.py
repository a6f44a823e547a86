"""A film's work divided into chunks, and a folder that keeps what is to be done and what is. It knows no FFmpeg."""
