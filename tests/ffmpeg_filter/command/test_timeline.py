"""Timeline expressions give what FFmpeg's own evaluator gives."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.command.timeline import condition
from vsadcvsr.errors import UsageError


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("between(t,1,2)", [1, 1.5, 2], [0.9, 2.1]),
        ("gt(t,1)", [1.1], [1, 0]),
        ("gte(t,1)", [1, 2], [0.9]),
        ("lt(t,1)", [0.9], [1]),
        ("lte(t,1)", [1], [1.1]),
        ("eq(t,3)", [3], [2]),
        ("not(between(t,1,2))", [0, 3], [1]),
        ("if(gt(t,1),lt(t,2),1)", [0, 1.5], [2]),
        ("between(t,0,1)+between(t,3,4)", [0, 3.5], [2]),
        ("gte(t,1)*lt(t,2)", [1], [2, 0]),
        ("mod(t,2)", [1, 3], [0, 2]),
        ("mod(-t,2)-1.5", [1.5, 2], [0.5, 0.75]),
        ("min(t,2)-max(t,1)", [0, 3], [1.2]),
        ("abs(1-t)-floor(t/10)", [0, 2], [1]),
        ("-t", [1], [0]),
        ("t/0", [], [1]),
        ("t", [0.5, 1], [0, 0.49]),
        ("1", [0, 1], []),
        ("0", [], [0, 1]),
    ],
)
def test_an_expression_of_t_selects_frames(text: str, yes: list[float], no: list[float]) -> None:
    active = condition(text)
    assert [time for time in yes if not active(Fraction(time), 0)] == []
    assert [time for time in no if active(Fraction(time), 0)] == []


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_an_expression_of_n_selects_frames(number: int, low: int, high: int) -> None:
    assert condition(f"between(n,{low},{high})")(None, number) == (low <= number <= high)


def test_a_frame_without_a_time_is_at_the_beginning() -> None:
    assert condition("lt(t,1)")(None, 100)


@pytest.mark.parametrize(
    "text",
    ["", "t<2", "x", "between(t,1)", "sin(t)", "t if n else 0", "__import__('os')", "t;n", "(", "notbetween(t,1,2)",
     "t.real", "gt(t,x=1)", "'1'", "True"],
)  # fmt: skip
def test_what_it_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="enable is"):
        condition(text)
