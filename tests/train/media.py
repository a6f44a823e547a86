"""Pictures and films of made-up content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

type Pixels = NDArray[np.uint8]


def blobs(seed: int, height: int = 120, width: int = 140) -> Pixels:
    """Soft blobs of all tones."""
    field = cv2.GaussianBlur(np.random.default_rng(seed).random((height, width, 3), np.float32), (0, 0), 2)
    field = (field - field.min()) / (field.max() - field.min())
    return np.asarray(field * 255, np.uint8)


def write_film(path: Path, frames: Sequence[Pixels], *, keys: int = 250, rate: int = 25) -> Path:
    """A film of the frames in H.264, with a key frame at least every `keys` frames."""
    options = {"crf": "12", "preset": "ultrafast", "g": str(keys)}
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def shades(count: int, *, height: int = 64, width: int = 64) -> list[Pixels]:
    """Flat frames that grow brighter, so that a frame's tone tells its number: about (number % 200) + 20."""
    return [np.full((height, width, 3), number % 200 + 20, np.uint8) for number in range(count)]
