"""What side data a frame of PyAV has, found out without harm.

In PyAV up to 19.0.2, `frame.side_data` makes an object for each piece, which frees the piece's metadata at its end; the
frame frees it once more, and the process is aborted. PNG files name their ICC profile there.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Sequence
from typing import NamedTuple

import av
from av.dictionary import Dictionary
from av.sidedata.sidedata import SideData, Type


class Kinds(NamedTuple):
    """The names of what there is, and whether others may look at it."""

    names: Sequence[str]
    safe: bool


def kinds(frame: av.VideoFrame) -> Kinds | None:
    """None where it cannot be found out: at a kind that it does not know, PyAV 18 frees all of them and fails."""
    if "_missing_" not in vars(Type):
        return None
    pieces = frame.side_data[:]
    metadata = [one for piece in pieces for one in _metadata(piece)]
    for one in metadata:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))  # for ever, so that the frame alone frees what it refers to
    return Kinds([piece.type.name for piece in pieces], not metadata)


def _metadata(piece: SideData) -> list[object]:
    """The metadata of a piece, if it is not empty; it has no public name."""
    return [one for one in gc.get_referents(piece) if isinstance(one, Dictionary) and len(one)]
