"""A companion of the pictures: a tiny MPEG-2 copy of the frames before `adcvsr`, which keeps what raw video cannot.

MPEG-2 keeps closed captions, frame packing, and which frames are key frames. It crosses both pipes in step with the
pictures, and the second FFmpeg puts the pixels of the pictures into its frames.
"""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
from dataclasses import replace
from fractions import Fraction
from typing import BinaryIO

from ffmpeg_filter.colors import LOCATION_OPTION
from ffmpeg_filter.filtergraph import Graph, Node, ended
from vsadcvsr.errors import MediaError

SIZE = 16
"""Its width and height."""
OUTPUT = "adcvsr_out"
"""The label of the second command's graph, where it is a complex one on account of the companion."""
_LABEL, _ENTRY = "adcvsr_companion", "adcvsr_companion_in"
_SHRUNK = (
    f"scale={SIZE}:{SIZE}:flags=neighbor", "format=yuv420p",
    "settb=1/1000000", "interleave=1",  # which takes the rate away: MPEG-2 has few
    "settb=1/25", "setpts=N",
)  # fmt: skip
_ENCODED = (
    "-fps_mode", "passthrough", "-enc_time_base", "1/25", "-map_metadata", "-1", "-map_chapters", "-1",
    "-c:v", "mpeg2video", "-strict", "unofficial", "-flags", "low_delay", "-bf", "0", "-g", "600", "-q:v", "31",
    "-sc_threshold", "1000000000", "-force_key_frames", "source", "-flush_packets", "1", "-f", "avi",
)  # fmt: skip
_BLENDED = re.compile(r"(yuv(420|422|444)p|gbrp|gray)((10|12|16)le)?|yuv440p")
"""Pixel formats in which every release's `blend` copies samples."""
_AS_PLANES = {"nv12": "yuv420p", "nv21": "yuv420p", "rgb24": "gbrp", "bgr24": "gbrp"}
_FINEST = 500_000
"""Ticks a second from which filters with two inputs round times."""
_UNKNOWN_COLORS = "range=unknown:colorspace=unknown:color_primaries=unknown:color_trc=unknown"
_LIST, _MOVIE, _FRAME = (b"RIFF", b"LIST"), b"movi", b"00dc"
_PATIENCE = 60.0
"""Seconds to wait for the packet of a frame that has come: both are written at once, but read on two threads."""


def decoder_words(graph: Graph, specifier: str) -> list[str]:
    """An output of the first command, less its name: the companion of what a simple graph makes of a stream."""
    for body in _SHRUNK:
        graph = ended(graph, body, [])
    return ["-map", specifier, "-filter:v", str(graph), *_ENCODED]


def split(graph: Graph, label: str) -> tuple[Graph, list[str]]:
    """A complex graph, to whose open end `label` is given, with a companion; and an output with that, less its name."""
    graph = ended(graph, "split", [label, _ENTRY])
    *most, last = _SHRUNK
    small = (Node.of(most[0], [_ENTRY]), *map(Node, most[1:]), Node.of(last, (), [_LABEL]))
    return replace(graph, chains=(*graph.chains, small)), ["-map", f"[{_LABEL}]", *_ENCODED]


def can_carry(pixel_format: str, tick: Fraction) -> bool:
    """Whether frames of a format and time base can be given other pixels without a change of these, or of times."""
    return tick.denominator < _FINEST and bool(_BLENDED.fullmatch(_planes(pixel_format)))


def chain(width: int, height: int, pixel_format: str, tick: Fraction, version: tuple[int, int]) -> tuple[Node, ...]:
    """Filters of the second command that make of the companion frames like the pictures, of which nothing is known."""
    unknown = _UNKNOWN_COLORS + (":chroma_location=unknown" if version >= LOCATION_OPTION else "")
    first = Node.of(_clock(tick), ["0:v:1"])
    is_rgb = _planes(pixel_format).startswith("gbr")
    described = [] if is_rgb else [Node(f"setparams={unknown}")]
    scaled = Node(f"scale={width}:{height}:flags=neighbor")
    return (first, scaled, Node(f"format={_planes(pixel_format)}"), *described, Node.of("setsar=0", (), [_LABEL]))


def merging(pixel_format: str, tick: Fraction) -> list[str]:
    """Filters behind the pictures that put their pixels into the frames of the companion."""
    planes = _planes(pixel_format)
    before, after = ([f"format={planes}"], [f"format={pixel_format}"]) if planes != pixel_format else ([], [])
    return [_clock(tick), *before, f"[{_LABEL}]blend=all_mode=normal:all_opacity=0", *after]


def _clock(tick: Fraction) -> str:
    return f"settb={tick.numerator}/{tick.denominator}"


def _planes(pixel_format: str) -> str:
    return _AS_PLANES.get(pixel_format, pixel_format)


def is_possible() -> bool:
    """Whether a program can be given a further pipe."""
    return sys.platform != "win32"


class Packets:
    """The packets that the first FFmpeg writes into a pipe, which is closed at its end. Read on a thread of their own,
    so that it never waits.
    """

    def __init__(self, descriptor: int) -> None:
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._is_wanted = True
        threading.Thread(target=self._read, args=(os.fdopen(descriptor, "rb"),), name="companion", daemon=True).start()

    def next(self) -> bytes:
        """The packet of the next frame, which has come. Raises MediaError where there is none."""
        try:
            packet = self._queue.get(timeout=_PATIENCE)
        except queue.Empty:
            packet = None
        if packet is None:
            raise MediaError("the decoder sent a frame without its closed captions: please report its command")
        return packet

    def drop(self) -> None:
        """Nothing more is kept."""
        self._is_wanted = False

    def _read(self, file: BinaryIO) -> None:
        with file:
            while len(head := file.read(8)) == 8:
                name, size = head[:4], int.from_bytes(head[4:], "little")
                if name in _LIST and file.read(4) in {_MOVIE, b"AVI "}:
                    continue
                data = file.read(size + size % 2 - (4 if name in _LIST else 0))
                if name == _FRAME and size and self._is_wanted:
                    self._queue.put(data[:size])
        self._queue.put(None)
