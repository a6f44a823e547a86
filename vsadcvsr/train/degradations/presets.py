"""Presets of degradations: published ranges, drifts and probabilities.

A preset for clips compresses them as video, one for images does not. `REALBASICVSR` (Chan et al., CVPR 2022; AdcVSR
trains with it) and `DOVE` are for clips; `REALESRGAN` (x4plus) and the weaker `ADCSR` are for images. `HEAVY` and
`SOFT` are what the first networks were trained with, before there was `mild`: RealBasicVSR's pipeline with its own
ranges, or with those of `ADCSR` and enough bits for a decent stream; the second resize is relative to the final size,
as Real-ESRGAN's is, which is harsher than RealBasicVSR's, and nothing is sharpened.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

type Span = tuple[float, float]

KIND_ODDS = {
    "iso": 0.405, "aniso": 0.225, "general_iso": 0.108, "general_aniso": 0.027, "plateau_iso": 0.108,
    "plateau_aniso": 0.027, "sinc": 0.1,
}  # fmt: skip
SIZES = tuple(range(7, 22, 2))
FILTERS = ("linear", "area", "cubic")
CODECS = ("libx264", "h264", "mpeg4")


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Maximum change of a parameter from one frame to the next; all zero: parameters are constant over a clip."""

    sigma: float = 0.0  # pixels
    angle: float = 0.0  # radians
    beta_general: float = 0.0
    beta_plateau: float = 0.0
    omega: float = 0.0  # radians per pixel
    scale: float = 0.0
    gauss: float = 0.0  # of 255
    poisson: float = 0.0
    quality: float = 3.0


_DRIFT = Drift(
    sigma=0.02, angle=math.pi / 10, beta_general=0.05, beta_plateau=0.1, omega=math.pi / 50, scale=0.015, gauss=0.1,
    poisson=0.005,
)  # fmt: skip
_SECOND_DRIFT = replace(_DRIFT, scale=0.03)


@dataclass(frozen=True, kw_only=True)
class DegradationStage:
    """Blur, resize, noise and JPEG."""

    blur: float  # probability
    sigma: Span  # pixels, for each axis
    beta_general: Span = (0.5, 4.0)
    beta_plateau: Span = (1.0, 2.0)
    beta_halves: bool = False
    """Half of the draws are below one and half above, as Real-ESRGAN draws; otherwise uniform."""
    resize: tuple[float, float, float]  # odds of up, down, keep
    scales: Span
    of_target: bool = False
    """Scales count from the size that results, otherwise from the size that comes in."""
    even: bool = True
    gauss: Span  # sigma, of 255
    poisson: Span
    gaussian: float = 0.5  # probability; otherwise Poisson noise
    gray: float = 0.4  # probability, for a whole clip
    quality: Span = (30.0, 95.0)
    drift: Drift = Drift()


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Two stages, video compression between and after them, and a last pair in random order.

    One of the pair is the resize to a quarter of the truth, with a sinc filter. `other` is the second: `video`, `jpeg`
    (then that of the second stage, which moves here), or `none` (and the resize is last).
    """

    first: DegradationStage
    second: DegradationStage
    bits: tuple[int, int] | None = None
    """The budget of a frame for each of the video compressions, both ends included; None: no video compression."""
    other: Literal["video", "jpeg", "none"]
    sharpen: bool = False
    """The degraded clip is made from a sharpened truth."""
    sinc: float = 0.8  # probability
    omega: Span = (math.pi / 3, math.pi)
    omega_step: float = 0.0


REALBASICVSR = Preset(
    sharpen=True,
    first=DegradationStage(
        blur=1, sigma=(0.2, 3), resize=(0.2, 0.7, 0.1), scales=(0.15, 1.5), gauss=(1, 30), poisson=(0.05, 3),
        drift=_DRIFT,
    ),
    bits=(10_000, 100_000),
    second=DegradationStage(
        blur=0.8, sigma=(0.2, 1.5), resize=(0.3, 0.4, 0.3), scales=(0.3, 1.2), gauss=(1, 25), poisson=(0.05, 2.5),
        drift=_SECOND_DRIFT,
    ),
    other="video",
    omega_step=math.pi / 50,
)  # fmt: skip
"""Its sharpening is meant for training towards sharpened truths."""

DOVE = replace(
    REALBASICVSR, sharpen=False, first=replace(REALBASICVSR.first, drift=Drift()),
    second=replace(REALBASICVSR.second, drift=Drift()), omega_step=0.0,
)  # fmt: skip
DOVE_PICTURE = replace(DOVE, bits=None, other="none")

REALESRGAN = Preset(
    first=DegradationStage(
        blur=1, sigma=(0.2, 3), beta_halves=True, resize=(0.2, 0.7, 0.1), scales=(0.15, 1.5), even=False, gauss=(1, 30),
        poisson=(0.05, 3),
    ),
    second=DegradationStage(
        blur=0.8, sigma=(0.2, 1.5), beta_halves=True, resize=(0.3, 0.4, 0.3), scales=(0.3, 1.2), of_target=True,
        even=False, gauss=(1, 25), poisson=(0.05, 2.5),
    ),
    other="jpeg",
)  # fmt: skip
ADCSR = Preset(
    first=replace(
        REALESRGAN.first, sigma=(0.2, 1.5), beta_general=(0.5, 2), beta_plateau=(1, 1.5), scales=(0.3, 1.5),
        gauss=(1, 15), poisson=(0.05, 2), quality=(60, 95),
    ),
    second=replace(
        REALESRGAN.second, blur=0.5, sigma=(0.2, 1), beta_general=(0.5, 2), beta_plateau=(1, 1.5), scales=(0.6, 1.2),
        gauss=(1, 12), poisson=(0.05, 1), quality=(60, 100),
    ),
    other="jpeg",
)  # fmt: skip
HEAVY = replace(REALBASICVSR, sharpen=False, second=replace(REALBASICVSR.second, of_target=True))
SOFT = Preset(
    first=replace(ADCSR.first, beta_halves=False, even=True, drift=_DRIFT),
    bits=(40_000, 200_000),
    second=replace(ADCSR.second, beta_halves=False, even=True, drift=_SECOND_DRIFT),
    other="video",
)
