"""Training clips: windows of shots, and simulated camera motion over photographs.

Frames are uint8 (H, W, 3) RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import MediaError
from vsadcvsr.scenes import DEFAULT_THRESHOLD, luma_thumbnail, scene_distance
from vsadcvsr.video_io import Pixels


def find_cuts(video: Sequence[Pixels]) -> list[int]:
    """The first frames of shots, by the detector of the engine; a frame of another size starts one, too."""
    small = [luma_thumbnail(frame.transpose(2, 0, 1)) / np.float32(255) for frame in video]
    return [
        index
        for index in range(1, len(small))
        if video[index].shape != video[index - 1].shape
        or scene_distance(small[index - 1], small[index]) > DEFAULT_THRESHOLD
    ]


def split_shots(video: Sequence[Pixels], *, shortest: int) -> list[list[Pixels]]:
    """The shots of a video; those of fewer than `shortest` frames are dropped."""
    ends = [0, *find_cuts(video), len(video)]
    return [list(video[a:b]) for a, b in pairwise(ends) if b - a >= shortest]


def crop_window(shot: Sequence[Pixels], frames: int, size: int, rng: np.random.Generator) -> Pixels:
    """A crop (frames, size, size, 3) of a shot, sometimes with every second frame, sometimes downscaled from a wider
    crop.
    """
    stride = int(rng.integers(1, 3))
    if (frames - 1) * stride >= len(shot):
        stride = 1
    if len(shot) < frames:
        raise MediaError(f"a shot of {len(shot)} frames is too short for a clip of {frames}")
    first = int(rng.integers(0, len(shot) - (frames - 1) * stride))
    height, width = shot[0].shape[:2]
    side = size + size // 2 if min(height, width) >= size + size // 2 and rng.random() < 1 / 3 else size
    if min(height, width) < side:
        raise MediaError(f"a frame of {width}x{height} is too small for crops of {size}x{size}")
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    crops = [frame[top : top + side, left : left + side] for frame in shot[first : first + frames * stride : stride]]
    if side != size:
        return np.stack(
            [np.asarray(cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)) for crop in crops[:frames]]
        )
    return np.stack(crops[:frames])


def camera_motion(image: Pixels, frames: int, size: int, rng: np.random.Generator) -> Pixels:
    """A clip (frames, size, size, 3) as a camera over a photograph sees it: pans that gain speed, turns, zooms, shakes,
    or nothing at all. A photograph smaller than the crop is mirrored at its edges."""
    height, width = image.shape[:2]
    zoom, shake = rng.uniform(0.6, 1.0), rng.choice([0, 0.3, 1.0])
    speed = rng.normal(0, 1, 2) * rng.choice([0, 0.5, 2, 5])
    gain = rng.normal(0, 0.3, 2)
    turn, growth = rng.normal(0, 0.004) * rng.integers(0, 2), rng.normal(0, 0.005) * rng.integers(0, 2)
    margin = size / zoom * 0.75
    centre = np.array([_between(rng, margin, width), _between(rng, margin, height)])
    views = []
    for time in range(frames):
        position = centre + speed * time + gain * time * time / 2 + rng.normal(0, 1, 2) * shake
        views.append(_view(image, position, turn * time, zoom * (1 + growth * time), size))
    return np.stack(views)


def _between(rng: np.random.Generator, margin: float, length: int) -> float:
    return float(rng.uniform(min(margin, length / 2), max(length - margin, length / 2)))


def _view(image: Pixels, position: NDArray[np.float64], angle: float, zoom: float, size: int) -> Pixels:
    transform = np.zeros((2, 3))
    transform[:, :2] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    transform[:, 2] = position - transform[:, :2] @ np.full(2, size / 2 - 0.5)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, transform, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101))
