"""An upscaler from outside: `python doubling.py INPUT OUTPUT` repeats every pixel of a video, or of pictures, x4."""

from __future__ import annotations

import sys
from pathlib import Path

from vsadcvsr.video_io import read_frames, write_pictures, write_video

if __name__ == "__main__":
    source, out = map(Path, sys.argv[1:3])
    frames = [frame.repeat(4, axis=1).repeat(4, axis=2) for frame in read_frames(source)]
    if out.is_dir():
        out.rmdir()
        write_pictures(out, frames)
    else:
        write_video(out, frames)
