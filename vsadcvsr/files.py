"""Kinds of files by their suffixes, the same for all that look through folders."""

from __future__ import annotations

IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
VIDEOS = (".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm")
