"""What the tests of evaluation look at: a soft moving pattern, in memory and on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsadcvsr.evaluate.methods import downscale, quantize
from vsadcvsr.spec import Array
from vsadcvsr.video_io import write_pictures, write_video


def picture(height: int, width: int, shift: int = 0) -> Array:
    """Waves of three speeds, one a channel, moved to the left by `shift` pixels."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin((columns + shift) / speed) * np.cos(rows / speed) for speed in (3, 5, 9)]
    return quantize(np.stack([0.5 + 0.4 * wave for wave in waves]).astype(np.float32))


def moving(count: int, height: int = 64, width: int = 80) -> tuple[Array, ...]:
    return tuple(picture(height, width, shift) for shift in range(count))


def write_set(low: Path, truth: Path, frames: tuple[Array, ...], *, pictures: bool = False) -> None:
    """A set of one clip, `wave`: `frames` as the truth, and a quarter of them."""
    for folder, clip in ((truth, frames), (low, [downscale(frame) for frame in frames])):
        if pictures:
            write_pictures(folder / "wave", clip)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_video(folder / "wave.mkv", clip)
