"""One command on many machines, chunk by chunk."""
