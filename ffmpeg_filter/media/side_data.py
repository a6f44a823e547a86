"""Side data of PyAV frames, read without crashing.

Up to PyAV 19.0.2, the wrappers of `frame.side_data` free metadata that the frame frees again, which aborts the process.
PNG files store the name of their ICC profile there.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Sequence
from typing import NamedTuple

import av
from av.dictionary import Dictionary
from av.sidedata.sidedata import SideData, Type


class SideDataKinds(NamedTuple):
    """Names of the side data, and whether it is safe to access."""

    names: Sequence[str]
    safe: bool


def side_data_kinds(frame: av.VideoFrame) -> SideDataKinds | None:
    """None if unknown: PyAV 18 fails on kinds that it does not know."""
    if "_missing_" not in vars(Type):
        return None
    pieces = frame.side_data[:]
    metadata = [entry for piece in pieces for entry in _metadata(piece)]
    for entry in metadata:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(entry))  # for ever, so that the frame alone frees what it refers to
    return SideDataKinds([piece.type.name for piece in pieces], not metadata)


def _metadata(piece: SideData) -> list[object]:
    """The non-empty metadata dictionary of an entry, which has no public accessor."""
    return [referent for referent in gc.get_referents(piece) if isinstance(referent, Dictionary) and len(referent)]
