"""Degradation operators with all random parameters fixed; each maps a list of frames to a list of frames.

Frames are (H, W, 3) float32 RGB in 0..1. After a resize with drifting scales each has its own size, until a codec or
the last resize makes the sizes equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.codecs import compress_bitrate, jpeg
from vsadcvsr.color import LUMA_601
from vsadcvsr.train.degradations.kernels import blur_kernel, line_kernel

type Values = NDArray[np.float32]
type Pixels = NDArray[np.uint8]
type Floats = tuple[float, ...]
type Size = tuple[int, int]

_FILTERS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}
_BT601_LUMA = np.array([LUMA_601], np.float32)


class Operator(Protocol):
    """A degradation of a clip."""

    def apply(self, frames: Sequence[Values]) -> list[Values]:
        """The frames after the operator."""
        ...


@dataclass(frozen=True)
class Sharpen:
    """Unsharp masking without amplifying noise: kernel 51, weight 0.5, threshold 10 of 255."""

    def apply(self, frames: Sequence[Values]) -> list[Values]:
        """See `Operator`."""
        return [_sharpened(frame) for frame in frames]


@dataclass(frozen=True)
class Blur:
    """A blur kernel of one kind and size, with the other parameters for each frame (see `blur_kernel`)."""

    kind: str
    size: int
    sigmas: tuple[Floats, Floats]
    angles: Floats
    betas: Floats
    omegas: Floats

    def apply(self, frames: Sequence[Values]) -> list[Values]:
        """See `Operator`."""
        return [self._blurred(frame, index) for index, frame in enumerate(frames)]

    def _blurred(self, frame: Values, index: int) -> Values:
        sigma = (self.sigmas[0][index], self.sigmas[1][index])
        if self.kind == "iso":
            line = line_kernel(self.size, sigma[0])
            return np.asarray(cv2.sepFilter2D(frame, -1, line, line), np.float32)
        kernel = blur_kernel(
            self.kind,
            self.size,
            sigma=sigma,
            angle=self.angles[index],
            beta=self.betas[index],
            omega=self.omegas[index],
        )
        return np.asarray(cv2.filter2D(frame, -1, kernel), np.float32)


@dataclass(frozen=True)
class Resize:
    """A scale for each frame, relative to the size `base` or else to the first frame's, optionally rounded down to even
    sizes.
    """

    flavour: str
    scales: Floats
    base: Size | None
    even: bool

    def apply(self, frames: Sequence[Values]) -> list[Values]:
        """See `Operator`."""
        base = self.base or _size(frames[0])
        sizes = [(self._length(base[0] * scale), self._length(base[1] * scale)) for scale in self.scales]
        return [_resized(frame, size, self.flavour) for frame, size in zip(frames, sizes, strict=True)]

    def _length(self, length: float) -> int:
        whole = 2 if self.even else 1
        return max(int(length) // whole * whole, whole)


@dataclass(frozen=True)
class Noise:
    """Noise: `gauss`, with sigmas of 255, or `poisson`, with factors on shot noise; gray noise is equal in R, G and B.

    Noise is independent for each frame, from a generator seeded with `seed`.
    """

    kind: str
    gray: bool
    strengths: Floats
    seed: int

    def apply(self, frames: Sequence[Values]) -> list[Values]:
        """See `Operator`."""
        add, rng = _gauss if self.kind == "gauss" else _poisson, np.random.default_rng(self.seed)
        return [add(frame, value, rng, gray=self.gray) for frame, value in zip(frames, self.strengths, strict=True)]


@dataclass(frozen=True)
class Jpeg:
    """JPEG compression with a quality for each frame."""

    qualities: tuple[int, ...]

    def apply(self, frames: Sequence[Values]) -> list[Values]:
        """See `Operator`."""
        pairs = zip(frames, self.qualities, strict=True)
        return [_to_float(jpeg(to_uint8(frame), quality)) for frame, quality in pairs]


@dataclass(frozen=True)
class Video:
    """Video compression at one frame per second and `bits` per second; frames get the size of the first."""

    codec: str
    bits: int

    def apply(self, frames: Sequence[Values]) -> list[Values]:
        """See `Operator`."""
        clip = np.stack([to_uint8(_resized(frame, _size(frames[0]), "linear")) for frame in frames])
        return [_to_float(frame) for frame in compress_bitrate(clip, self.codec, self.bits)]


@dataclass(frozen=True)
class FinalResize:
    """The resize to the final size, (width, height)."""

    flavour: str
    size: Size

    def apply(self, frames: Sequence[Values]) -> list[Values]:
        """See `Operator`."""
        return [_resized(frame, self.size, self.flavour) for frame in frames]


def to_uint8(frame: Values) -> Pixels:
    """Clamped and rounded to 8 bits."""
    return np.asarray(np.clip(frame, 0, 1) * np.float32(255) + np.float32(0.5), np.uint8)


def _to_float(pixels: Pixels) -> Values:
    return pixels * np.float32(1 / 255)


def _size(frame: Values) -> Size:
    return frame.shape[1], frame.shape[0]


def _resized(frame: Values, size: Size, flavour: str) -> Values:
    if _size(frame) == size:
        return frame
    return np.asarray(cv2.resize(frame, size, interpolation=_FILTERS[flavour]), np.float32)


def _gauss(frame: Values, sigma: float, rng: np.random.Generator, *, gray: bool) -> Values:
    shape = (*frame.shape[:2], 1) if gray else frame.shape
    return np.asarray(np.clip(frame + rng.standard_normal(shape, np.float32) * np.float32(sigma / 255), 0, 1))


def _poisson(frame: Values, scale: float, rng: np.random.Generator, *, gray: bool) -> Values:
    seen = np.asarray(cv2.transform(frame, _BT601_LUMA), np.float32)[..., None] if gray else frame
    light = to_uint8(seen)
    levels = 1 << int(np.count_nonzero(np.bincount(light.ravel(), minlength=256)) - 1).bit_length()
    mean = _to_float(light)
    noise = rng.poisson(mean * np.float32(levels)).astype(np.float32) * np.float32(1 / levels) - mean
    return np.asarray(np.clip(frame + noise * np.float32(scale), 0, 1))


def _sharpened(frame: Values) -> Values:
    rest = frame - cv2.GaussianBlur(frame, (51, 51), 0)
    mask = cv2.GaussianBlur((np.abs(rest) * 255 > 10).astype(np.float32), (51, 51), 0)
    return np.asarray(mask * np.clip(frame + np.float32(0.5) * rest, 0, 1) + (1 - mask) * frame)
