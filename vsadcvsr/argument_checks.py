"""Type checks of arguments: numbers of any library become Python's own, anything else is refused."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import SupportsIndex, cast

from vsadcvsr.errors import UsageError

_BOOLEANS = {"bool", "bool_"}  # Python's and NumPy's, which is not imported here


def whole(name: str, value: object, allowed: str) -> int:
    """A whole number: an int, NumPy's or VapourSynth's constants too, but no bool. Raises UsageError."""
    if type(value).__name__ not in _BOOLEANS and hasattr(value, "__index__"):
        try:
            return operator.index(cast(SupportsIndex, value))
        except TypeError:  # an array of NumPy's
            pass
    raise UsageError.of(name, value, allowed)


def at_least(least: int, name: str, value: object, allowed: str) -> int:
    """As `whole`, from `least` on."""
    number = whole(name, value, allowed)
    if number < least:
        raise UsageError.of(name, number, allowed)
    return number


def between(least: int, most: int, name: str, value: object, allowed: str) -> int:
    """As `at_least`, up to `most`."""
    number = at_least(least, name, value, allowed)
    if number > most:
        raise UsageError.of(name, number, allowed)
    return number


def number(name: str, value: object, allowed: str) -> float:
    """A real number, but no bool. Raises UsageError."""
    if type(value).__name__ in _BOOLEANS or not isinstance(value, Real):
        raise UsageError.of(name, value, allowed)
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all of them
        raise UsageError.of(name, value, allowed) from None


def in_range(name: str, argument: object, limits: tuple[float, float], allowed: str) -> float:
    """As `number`, finite and within both bounds."""
    value = number(name, argument, allowed)
    if not (math.isfinite(value) and limits[0] <= value <= limits[1]):
        raise UsageError.of(name, value, allowed)
    return value


def pair(name: str, value: object, allowed: str) -> tuple[int, int]:
    """Two whole numbers, from any sequence of them. Raises UsageError."""
    listed = value.tolist() if hasattr(value, "tolist") else value  # an array of NumPy's
    if not isinstance(listed, Sequence) or isinstance(listed, (str, bytes)) or len(listed) != 2:
        raise UsageError.of(name, listed, allowed)
    try:
        first, second = (whole(name, item, allowed) for item in listed)
    except UsageError:
        raise UsageError.of(name, listed, allowed) from None
    return first, second
