"""Checks of arguments by type: numbers of any library come out as Python's own, all else is refused."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import SupportsIndex, cast

from vsadcvsr.errors import UsageError

_BOOLEANS = {"bool", "bool_"}  # Python's and NumPy's, which is not imported here


def whole(name: str, given: object, allowed: str) -> int:
    """A whole number: an int, NumPy's or VapourSynth's constants too, but no bool. Raises UsageError."""
    if type(given).__name__ not in _BOOLEANS and hasattr(given, "__index__"):
        try:
            return operator.index(cast(SupportsIndex, given))
        except TypeError:  # an array of NumPy's
            pass
    raise UsageError.of(name, given, allowed)


def at_least(least: int, name: str, given: object, allowed: str) -> int:
    """As `whole`, from `least` on."""
    number = whole(name, given, allowed)
    if number < least:
        raise UsageError.of(name, number, allowed)
    return number


def number(name: str, given: object, allowed: str) -> float:
    """A real number, but no bool. Raises UsageError."""
    if type(given).__name__ in _BOOLEANS or not isinstance(given, Real):
        raise UsageError.of(name, given, allowed)
    return float(given)


def between(name: str, given: object, bounds: tuple[float, float], allowed: str) -> float:
    """As `number`, finite and within both bounds."""
    value = number(name, given, allowed)
    if not (math.isfinite(value) and bounds[0] <= value <= bounds[1]):
        raise UsageError.of(name, value, allowed)
    return value


def pair(name: str, given: object, allowed: str) -> tuple[int, int]:
    """Two whole numbers, from any sequence of them. Raises UsageError."""
    listed = given.tolist() if hasattr(given, "tolist") else given  # an array of NumPy's
    if not isinstance(listed, Sequence) or isinstance(listed, (str, bytes)) or len(listed) != 2:
        raise UsageError.of(name, listed, allowed)
    try:
        first, second = (whole(name, one, allowed) for one in listed)
    except UsageError:
        raise UsageError.of(name, listed, allowed) from None
    return first, second
