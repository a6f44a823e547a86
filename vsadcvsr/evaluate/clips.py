"""Clips and photographs from disk in the house format: float32 (3, H, W), RGB, 0 to 1, full range."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace

from vsadcvsr.errors import MediaError
from vsadcvsr.spec import Array

VIDEO_ENDINGS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".ts", ".flv")
PHOTO_ENDINGS = (".png", ".webp", ".jpg", ".jpeg")


def files_in(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """The files of `folder` with one of `endings`, by name. Raises MediaError where there are none."""
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in endings)
    if not found:
        raise MediaError(f"{folder} holds no file that ends in {', '.join(endings)}")
    return found


def frames_of(path: Path, *, limit: int | None = None) -> Iterator[Array]:
    """The frames of a clip in order, through 8-bit RGB, as BT.709 whatever its tags say; at most `limit` of them."""
    for frame in _decoded(path, limit):
        yield house(frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709).to_ndarray())


def small_frames_of(path: Path, width: int, *, limit: int | None = None) -> Iterator[Array]:
    """The frames of a clip scaled to `width` (area averaged) and 8-bit precision: quick to read, for cut detection."""
    for frame in _decoded(path, limit):
        height = max(2, round(frame.height * width / frame.width))
        small = cv2.resize(frame.to_ndarray(format="rgb24"), (width, height), interpolation=cv2.INTER_AREA)
        yield house(small)


def photo_of(path: Path) -> Array:
    """A photograph. Raises MediaError where the file is no picture."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise MediaError(f"{path} cannot be read as a picture")
    return house(pixels[..., ::-1])


def house(pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Array:
    """8-bit (H, W, 3) RGB as a frame."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)


def _decoded(path: Path, limit: int | None) -> Iterator[VideoFrame]:
    try:
        with av.open(str(path)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if limit is not None and index >= limit:
                    return
                yield frame
    except (av.FFmpegError, IndexError) as cause:
        raise MediaError(f"{path} cannot be decoded: {cause}") from cause
