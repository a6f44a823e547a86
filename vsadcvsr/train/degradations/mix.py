"""Mixes of degradations: which share of the samples gets which degradation.

Degradations for clips treat each sample as video. Those for images (`adcsr`, `realesrgan`, `dove-picture`) make static
clips: one image, degraded once, repeated for the length of the clip.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import UsageError, near_misses
from vsadcvsr.train.degradations import mild, presets
from vsadcvsr.train.degradations.presets import Preset
from vsadcvsr.train.degradations.sampling import degrade

type Degrade = Callable[[NDArray[np.float32], np.random.Generator, int], NDArray[np.uint8]]
"""From a clip (T, H, W, 3) in 0..1, a generator and a scale to the clip that many times smaller."""


@dataclass(frozen=True)
class DegradationKind:
    """A degradation; `is_still` for images that are repeated."""

    degrade: Degrade
    is_still: bool = False


def _from_preset(preset: Preset) -> DegradationKind:
    return DegradationKind(lambda clip, rng, scale: degrade(clip, preset, rng, scale), is_still=preset.bits is None)


KINDS = {
    "clean": DegradationKind(mild.clean),
    "light": DegradationKind(mild.light),
    "poor": DegradationKind(mild.poor),
    "noisy": DegradationKind(mild.noisy),
    "stream": DegradationKind(mild.stream),
    "soft": _from_preset(presets.SOFT),
    "heavy": _from_preset(presets.HEAVY),
    "realbasicvsr": _from_preset(presets.REALBASICVSR),
    "dove": _from_preset(presets.DOVE),
    "adcsr": _from_preset(presets.ADCSR),
    "realesrgan": _from_preset(presets.REALESRGAN),
    "dove-picture": _from_preset(presets.DOVE_PICTURE),
}


@dataclass(frozen=True)
class Mix:
    """Kinds and their shares, which sum to one."""

    shares: tuple[tuple[str, float], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The mix of a text such as `clean=.25,light=.75`. Raises UsageError."""
        pairs = [_share(part, text) for part in text.split(",")]
        shares = dict(pairs)
        if len(shares) < len(pairs):
            raise UsageError(f"mix {text!r} has a name twice; give each name once")
        if not math.isclose(total := sum(shares.values()), 1, abs_tol=1e-3):
            raise UsageError(f"the shares of mix {text!r} sum to {total:g}; make them sum to 1")
        return cls(tuple((name, share / total) for name, share in shares.items()))

    def __str__(self) -> str:
        return ",".join(f"{name}={share:g}" for name, share in self.shares)

    def draw(self, rng: np.random.Generator) -> DegradationKind:
        """A random kind."""
        names, odds = zip(*self.shares, strict=True)
        return KINDS[str(rng.choice(names, p=odds))]


def _share(part: str, text: str) -> tuple[str, float]:
    name, _, number = (word.strip() for word in part.partition("="))
    if name not in KINDS:
        raise UsageError.of(
            "mix", name or text, f"NAME=SHARE with the names {', '.join(KINDS)}", near_misses(name, KINDS)
        )
    try:
        share = float(number)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise UsageError.of("mix", part.strip(), "shares from 0 to 1", f"such as {MIX}")
    return name, share


MIX = Mix.parse("clean=.4,light=.6")
"""The mix that the shipped networks were trained with. A small network cannot tell how bad its source is, and with
heavy degradations in the mix it ruins decent ones.
"""
