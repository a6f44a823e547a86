"""What samples of a pool go through, and how many go through what.

Kinds for clips wear each sample as video wears. Kinds for pictures (`adcsr`, `realesrgan`, `dove-picture`) make static
clips: one picture, worn once, shown for as long as the clip lasts.
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
from vsadcvsr.train.degradations.apply import through
from vsadcvsr.train.degradations.presets import Recipe

type Wear = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.uint8]]


@dataclass(frozen=True)
class Kind:
    """How a clip (T, H, W, 3) in 0..1 is worn; `still` where it is a picture that stands."""

    wear: Wear
    still: bool = False


def _kind(recipe: Recipe) -> Kind:
    return Kind(lambda clip, rng: through(clip, recipe, rng), still=recipe.bits is None)


KINDS = {
    "clean": Kind(mild.clean),
    "light": Kind(mild.light),
    "poor": Kind(mild.poor),
    "soft": _kind(presets.SOFT),
    "heavy": _kind(presets.HEAVY),
    "realbasicvsr": _kind(presets.REALBASICVSR),
    "dove": _kind(presets.DOVE),
    "adcsr": _kind(presets.ADCSR),
    "realesrgan": _kind(presets.REALESRGAN),
    "dove-picture": _kind(presets.DOVE_PICTURE),
}


@dataclass(frozen=True)
class Mix:
    """Kinds and their shares, which sum to one."""

    shares: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """The mix of a text such as `clean=.25,light=.75`; UsageError for what is none."""
        given = [_share(part, text) for part in text.split(",")]
        shares = dict(given)
        if len(shares) < len(given):
            raise UsageError.of("mix", text, "each name once")
        if not math.isclose(total := sum(shares.values()), 1, abs_tol=1e-3):
            raise UsageError.of("mix", text, "shares that sum to 1", f"these sum to {total:g}")
        return cls(tuple((name, share / total) for name, share in shares.items()))

    def __str__(self) -> str:
        return ",".join(f"{name}={share:g}" for name, share in self.shares)

    def draw(self, rng: np.random.Generator) -> Kind:
        """One kind."""
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


MIX = Mix.of("clean=.4,light=.6")
"""What the shipped network learned from last. A small network cannot tell how bad its source is, and with heavy
degradations in the mix it ruins decent ones."""
