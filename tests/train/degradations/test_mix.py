"""The mix of a pool: shares by name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vsadcvsr.errors import UsageError
from vsadcvsr.train.degradations.mix import KINDS, MIX, Mix


def test_the_default_is_what_the_shipped_networks_learned_from() -> None:
    assert dict(MIX.shares) == {"clean": 0.4, "light": 0.6}
    assert Mix.parse(str(MIX)) == MIX


def test_kinds_come_as_often_as_their_shares() -> None:
    rng, mix = np.random.default_rng(0), Mix.parse("clean=.1, dove = .6 ,adcsr=.3,heavy=0")
    names = {id(kind): name for name, kind in KINDS.items()}
    counts = Counter(names[id(mix.draw(rng))] for _ in range(2000))
    assert set(counts) == {"clean", "dove", "adcsr"}
    for name, share in {"clean": 0.1, "dove": 0.6, "adcsr": 0.3}.items():
        assert counts[name] / 2000 == pytest.approx(share, abs=0.04)


def test_pictures_stand_and_clips_move() -> None:
    assert {name for name, kind in KINDS.items() if kind.is_still} == {"adcsr", "realesrgan", "dove-picture"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clean=.5,haevy=.5", "did you mean 'heavy'"),
        ("clean=.5,heavy=.4", "sum to 0.9"),
        ("clean=.5,heavy=.5,soft=.5", "sum to 1.5"),
        ("clean=1.5,heavy=-.5", "shares from 0 to 1"),
        ("clean=much", "shares from 0 to 1"),
        ("clean", "shares from 0 to 1"),
        ("clean=nan", "shares from 0 to 1"),
        ("", "NAME=SHARE"),
        ("clean=.5,clean=.5", "has a name twice"),
    ],
)
def test_a_wrong_mix_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Mix.parse(text)
