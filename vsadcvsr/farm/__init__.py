"""Farms: jobs divided into chunks, a job folder on shared storage, and workers. Independent of FFmpeg."""
