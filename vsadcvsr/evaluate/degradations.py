"""Degradations of the validation set: common kinds of source, each with a strength drawn for the scene.

Arithmetic before the encoder is in double precision, whose rounding is far below that to 8 bits, so that processors do
not differ; the encoders run in one thread. The kinds differ from those of training on purpose, so that networks are
not measured on the mix that they were trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.codecs import compress_bitrate, compress_quality
from vsadcvsr.evaluate.methods import downscale_weights
from vsadcvsr.spec import Array

type Span = tuple[float, float]
type Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Degradation:
    """A kind of source: its degradations in this order; every span is sampled once per scene."""

    blur: Span = (0.0, 0.0)
    """Sigma of a Gaussian blur, in pixels of the truth; antialiased bicubic shrinking by the scale follows."""
    noise: Span = (0.0, 0.0)
    """Sigma of Gaussian noise in steps of 255, fresh for each frame; a third of it is the same in R, G and B."""
    crf: Span | None = None
    """x264's constant rate factor."""
    bits: Span | None = None
    """Instead of x264: bits a pixel for MPEG-4 part 2, the blocky kind of old files."""


DEGRADATIONS = {
    "clean": Degradation(),
    "light": Degradation(blur=(0.3, 1.2), noise=(0, 2), crf=(15, 21)),
    "soft": Degradation(blur=(1.5, 3.0), noise=(0, 2), crf=(15, 21)),
    "noisy": Degradation(blur=(0.3, 1.2), noise=(5, 14), crf=(17, 22)),
    "stream": Degradation(blur=(0.3, 1.2), noise=(0, 3), crf=(27, 34)),
    "old": Degradation(blur=(0.8, 2.0), noise=(2, 8), bits=(0.35, 1.0)),
}
"""Kinds by name: a decent source in two grades, and four bad ones."""


def degrade(
    truth: Sequence[Array], kind: str, scene: str, seed: int = 0, scale: int = 4
) -> tuple[Pixels, dict[str, float]]:
    """The frames (T, H, W, 3) in 8 bits, smaller than the truth by the scale, and the strengths that were drawn.

    All draws follow from kind, scene and seed: a scene is degraded in the same way in every list.
    """
    degradation = DEGRADATIONS[kind]
    digest = hashlib.sha256(f"{seed}/{kind}/{scene}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8]))
    drawn = {name: _draw(span, rng) for name, span in vars(degradation).items() if span and span[1] > 0}
    low = _add_noise(_downscale(truth, drawn.get("blur", 0), scale), drawn.get("noise", 0), rng)
    return _encode(np.asarray(np.rint(low.clip(0, 1) * 255), dtype=np.uint8), drawn), drawn


def _draw(span: Span, rng: np.random.Generator) -> float:
    return round(span[0] + (span[1] - span[0]) * rng.random(), 2)


def _downscale(truth: Sequence[Array], sigma: float, scale: int) -> NDArray[np.float64]:
    height, width = truth[0].shape[1:]
    down, across = (downscale_weights(side, scale) @ _blur(side, sigma) for side in (height, width))
    return np.stack([(down @ frame.astype(np.float64) @ across.T).transpose(1, 2, 0) for frame in truth])


def _blur(length: int, sigma: float) -> NDArray[np.float64]:
    """The matrix (length, length) of a Gaussian blur, cut off at the border."""
    if not sigma:
        return np.eye(length)
    apart = np.arange(length)[None] - np.arange(length)[:, None]
    weights = np.exp(-(apart**2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _add_noise(low: NDArray[np.float64], sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
    if not sigma:
        return low
    independent, shared = rng.standard_normal(low.shape), rng.standard_normal((*low.shape[:3], 1))
    return np.asarray(low + sigma / 255 * (np.sqrt(2 / 3) * independent + np.sqrt(1 / 3) * shared))


def _encode(pixels: Pixels, drawn: dict[str, float]) -> Pixels:
    if "crf" in drawn:
        return compress_quality(pixels, round(drawn["crf"]))
    if "bits" in drawn:
        return compress_bitrate(pixels, "mpeg4", int(drawn["bits"] * pixels.shape[1] * pixels.shape[2]))
    return pixels
