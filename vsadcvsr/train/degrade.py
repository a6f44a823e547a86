"""What video goes through before it reaches a restorer: stages on a clip (T, H, W, 3), float32 RGB in 0..1.

The order and the ranges of `HEAVY` are RealBasicVSR's, those of `SOFT` AdcSR's on the same order. `light` and `clean`
are what decent sources look like: a network that trains on ruins alone makes a clean clip no sharper. Within a clip the
kind and size of a blur stay, and every number drifts from frame to frame. All draws come from the generator given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.train.codecs import compress_bitrate, compress_quality, jpeg
from vsadcvsr.train.kernels import KINDS, Kernel, blur_kernel, sinc_kernel

type Clip = NDArray[np.float32]
type Span = tuple[float, float]

SCALE = 4
_KIND_ODDS = (0.405, 0.225, 0.108, 0.027, 0.108, 0.027, 0.1)
_SIZES = tuple(range(7, 22, 2))
_FILTERS = (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC)
_CODECS = ("libx264", "h264", "mpeg4")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Blur, resize, noise and JPEG: the span that each number is drawn from and the step that it drifts by."""

    blur: float = 1.0  # probability
    sigma: Span = (0.2, 3.0)
    sigma_step: float = 0.02
    beta_general: Span = (0.5, 4.0)
    beta_plateau: Span = (1.0, 2.0)
    resize: tuple[float, float, float] = (0.2, 0.7, 0.1)  # up, down, keep
    scales: Span = (0.15, 1.5)
    scale_step: float = 0.015
    gauss: Span = (1.0, 30.0)  # sigma in steps of 255
    gauss_step: float = 0.1
    poisson: Span = (0.05, 3.0)
    poisson_step: float = 0.005
    gray: float = 0.4
    quality: Span = (30.0, 95.0)
    quality_step: float = 3.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Two stages, video compression between them, and a last one whose two parts come in random order."""

    first: Stage = field(default_factory=Stage)
    second: Stage = field(
        default_factory=lambda: Stage(
            blur=0.8, sigma=(0.2, 1.5), resize=(0.3, 0.4, 0.3), scales=(0.3, 1.2), scale_step=0.03,
            gauss=(1.0, 25.0), poisson=(0.05, 2.5),
        )
    )  # fmt: skip
    bits: Span = (1e4, 1e5)  # for each frame
    sharpen: bool = False
    sinc: float = 0.8


HEAVY = Recipe()
SOFT = Recipe(
    first=Stage(
        sigma=(0.2, 1.5), beta_general=(0.5, 2.0), beta_plateau=(1.0, 1.5), scales=(0.3, 1.5), gauss=(1.0, 15.0),
        poisson=(0.05, 2.0), quality=(60.0, 95.0),
    ),
    second=Stage(
        blur=0.5, sigma=(0.2, 1.0), beta_general=(0.5, 2.0), beta_plateau=(1.0, 1.5), resize=(0.3, 0.4, 0.3),
        scales=(0.6, 1.2), scale_step=0.03, gauss=(1.0, 12.0), poisson=(0.05, 1.0), quality=(60.0, 100.0),
    ),
    bits=(4e4, 2e5),
)  # fmt: skip


def drift(rng: np.random.Generator, span: Span, step: float, frames: int) -> NDArray[np.float64]:
    """A number for each frame: uniform in `span`, then moving by up to `step` a frame, within the span."""
    value, values = rng.uniform(*span), []
    for _ in range(frames):
        values.append(value)
        value = float(np.clip(value + rng.uniform(-step, step), *span))
    return np.asarray(values)


def through(clip: Clip, recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The clip after all of a recipe, at a quarter of its size, 8 bit."""
    size = (clip.shape[2] // SCALE, clip.shape[1] // SCALE)
    worn = np.stack([_sharpened(frame) for frame in clip]) if recipe.sharpen else clip
    worn = _stage(worn, recipe.first, clip.shape[2], rng)
    worn = _compressed(worn, recipe, rng)
    worn = _stage(worn, recipe.second, clip.shape[2] / SCALE, rng)
    if rng.random() < 0.5:
        return eight_bit(_final(_compressed(worn, recipe, rng), size, recipe, rng))
    return eight_bit(_compressed(_final(worn, size, recipe, rng), recipe, rng))


def light(clip: Clip, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A decent source: some optical blur, a good downscale, a little noise, a good encoder."""
    harm = rng.random() ** 1.5
    if rng.random() < 0.8:
        across = 0.3 + 2.0 * harm * rng.random()
        along = across if rng.random() < 0.7 else 0.3 + 2.0 * harm * rng.random()
        clip = np.stack([cv2.GaussianBlur(frame, (0, 0), across, sigmaY=along) for frame in clip])
    small = downscale(clip, rng)
    if rng.random() < 0.7:
        small = small + _sensor_noise(small, rng.random() ** 1.5 * (4 + 16 * harm) / 255, rng)
    pixels, kind = eight_bit(small), rng.random()
    if kind < 0.65:
        return compress_quality(pixels, int(rng.integers(17, 24 + int(10 * harm))))
    if kind < 0.8:
        return np.stack([jpeg(frame, int(rng.integers(60, 98))) for frame in pixels])
    return pixels


def clean(clip: Clip, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The clip scaled down and nothing else."""
    return eight_bit(downscale(clip, rng))


def downscale(clip: Clip, rng: np.random.Generator) -> Clip:
    """A quarter of the size, by area or by antialiased bicubic or bilinear; pixel centres stay aligned."""
    name = str(rng.choice(["area", "cubic", "linear"], p=[0.3, 0.5, 0.2]))
    size = (clip.shape[2] // SCALE, clip.shape[1] // SCALE)
    if name == "area":
        return _clip([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in clip])
    kernel = _antialias(name)
    smooth = (cv2.sepFilter2D(frame, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE) for frame in clip)
    return _clip([frame[::SCALE, ::SCALE] for frame in smooth])[:, : size[1], : size[0]]


def _antialias(name: str) -> Kernel:
    # An even number of taps around each output centre, which lies between two input pixels; cv2 wants an odd kernel
    # with its centre on the first pixel of each group of four, so the taps sit one and a half to the right.
    reach = {"linear": 1, "cubic": 2}[name] * SCALE
    at = np.abs(np.arange(-reach - 2, reach + 3) - (SCALE - 1) / 2) / SCALE
    if name == "linear":
        taps = np.clip(1 - at, 0, None)
    else:
        near, far = (1.5 * at - 2.5) * at * at + 1, ((-0.5 * at + 2.5) * at - 4) * at + 2
        taps = np.where(at < 1, near, np.where(at < 2, far, 0))
    return np.asarray(taps / taps.sum(), np.float32)


def _clip(frames: Sequence[np.ndarray[tuple[int, ...], np.dtype[Any]]]) -> Clip:
    return np.asarray(np.stack(frames), np.float32)


def eight_bit(clip: Clip) -> NDArray[np.uint8]:
    """Clamped and rounded."""
    return np.asarray(np.clip(clip, 0, 1) * 255 + 0.5, dtype=np.uint8)


def _stage(clip: Clip, stage: Stage, width: float, rng: np.random.Generator) -> Clip:
    if rng.random() < stage.blur:
        clip = _blurred(clip, stage, rng)
    clip = _resized(clip, stage, width, rng)
    clip = _noisy(clip, stage, rng)
    qualities = drift(rng, stage.quality, stage.quality_step, len(clip))
    frames = [jpeg(frame, int(quality)) for frame, quality in zip(eight_bit(clip), qualities, strict=True)]
    return _clip(frames) / np.float32(255)


def _blurred(clip: Clip, stage: Stage, rng: np.random.Generator) -> Clip:
    frames, kind, size = len(clip), str(rng.choice(KINDS, p=_KIND_ODDS)), int(rng.choice(_SIZES))
    sigmas = [drift(rng, stage.sigma, stage.sigma_step, frames) for _ in range(2)]
    angles = drift(rng, (-np.pi, np.pi), np.pi / 10, frames)
    plateau = kind.startswith("plateau")
    betas = drift(rng, stage.beta_plateau if plateau else stage.beta_general, 0.1 if plateau else 0.05, frames)
    omegas = drift(rng, (np.pi / (3 if size < 13 else 5), np.pi), np.pi / 50, frames)
    made = []
    for frame, *numbers in zip(clip, *sigmas, angles, betas, omegas, strict=True):
        across, along, angle, beta, omega = map(float, numbers)
        kernel = blur_kernel(kind, size, sigma=(across, along), angle=angle, beta=beta, omega=omega)
        made.append(cv2.filter2D(frame, -1, kernel, borderType=cv2.BORDER_REFLECT))
    return _clip(made)


def _resized(clip: Clip, stage: Stage, width: float, rng: np.random.Generator) -> Clip:
    """Each frame to its own even size, then all to the first one's."""
    way = int(rng.choice(3, p=stage.resize))
    span = ((1.0, stage.scales[1]), (stage.scales[0], 1.0), (1.0, 1.0))[way]
    scales, flavour = drift(rng, span, stage.scale_step, len(clip)), int(rng.choice(_FILTERS))
    sizes = [(_even(width * scale), _even(width * scale * clip.shape[1] / clip.shape[2])) for scale in scales]
    made = [cv2.resize(frame, size, interpolation=flavour) for frame, size in zip(clip, sizes, strict=True)]
    return _clip([cv2.resize(frame, sizes[0], interpolation=flavour) for frame in made])


def _even(length: float) -> int:
    return max(16, int(length / 2) * 2)


def _noisy(clip: Clip, stage: Stage, rng: np.random.Generator) -> Clip:
    gaussian, gray = rng.random() < 0.5, rng.random() < stage.gray
    span, step = (stage.gauss, stage.gauss_step) if gaussian else (stage.poisson, stage.poisson_step)
    strengths = drift(rng, span, step, len(clip))
    add = _gauss if gaussian else _poisson
    return np.stack([add(frame, float(value), rng, gray=gray) for frame, value in zip(clip, strengths, strict=True)])


def _gauss(frame: Clip, sigma: float, rng: np.random.Generator, *, gray: bool) -> Clip:
    shape = (*frame.shape[:2], 1) if gray else frame.shape
    return np.asarray(np.clip(frame + rng.standard_normal(shape, np.float32) * np.float32(sigma / 255), 0, 1))


def _poisson(frame: Clip, scale: float, rng: np.random.Generator, *, gray: bool) -> Clip:
    light_in = eight_bit(frame if not gray else frame.mean(-1, keepdims=True)) / np.float32(255)
    levels = 2.0 ** np.ceil(np.log2(max(2, len(np.unique(light_in)))))
    noise = rng.poisson(light_in * levels) / levels - light_in
    return np.asarray(np.clip(frame + noise * scale, 0, 1), np.float32)


def _sensor_noise(clip: Clip, sigma: float, rng: np.random.Generator) -> Clip:
    shape = clip.shape if rng.random() < 0.6 else (*clip.shape[:3], 1)
    noise = rng.standard_normal(shape, np.float32) * np.float32(sigma)
    return (
        noise * np.sqrt(np.clip(clip, 0.02, 1)) * np.float32(1.5) if rng.random() < 0.4 else noise + np.zeros_like(clip)
    )


def _compressed(clip: Clip, recipe: Recipe, rng: np.random.Generator) -> Clip:
    codec, bits = str(rng.choice(_CODECS)), int(rng.integers(int(recipe.bits[0]), int(recipe.bits[1]) + 1))
    return np.asarray(compress_bitrate(eight_bit(clip), codec, bits) / np.float32(255), np.float32)


def _final(clip: Clip, size: tuple[int, int], recipe: Recipe, rng: np.random.Generator) -> Clip:
    flavour, length = int(rng.choice(_FILTERS)), int(rng.choice(_SIZES))
    small = [cv2.resize(frame, size, interpolation=flavour) for frame in clip]
    if rng.random() < recipe.sinc:
        kernel = sinc_kernel(length, float(rng.uniform(np.pi / 3, np.pi)))
        small = [cv2.filter2D(frame, -1, kernel, borderType=cv2.BORDER_REFLECT) for frame in small]
    return _clip([np.clip(frame, 0, 1) for frame in small])


def _sharpened(frame: Clip) -> Clip:
    """Unsharp masking where it does not just raise noise: kernel 51, weight 0.5, threshold 10 steps of 255."""
    rest = frame - cv2.GaussianBlur(frame, (51, 51), 0)
    mask = cv2.GaussianBlur((np.abs(rest) * 255 > 10).astype(np.float32), (51, 51), 0)
    return np.asarray(mask * np.clip(frame + 0.5 * rest, 0, 1) + (1 - mask) * frame)
