"""Companion track: a tiny MPEG-2 copy of the frames before `adcvsr`, which carries what raw video cannot.

It preserves closed captions, frame packing and key frames. It runs beside the frames through both pipes, and the encode
command replaces its pixels by the upscaled ones.
"""

from __future__ import annotations

import os
import queue
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import BinaryIO

from ffmpeg_filter.command.filtergraph import Graph, Node, append
from ffmpeg_filter.media.color_tags import LOCATION_OPTION
from ffmpeg_filter.media.matroska import Coding
from ffmpeg_filter.media.showinfo import CAPTIONS, EXIF, PACKING, PROFILE
from vsadcvsr.errors import MediaError

SIZE = 16
"""Width and height."""
OUTPUT_LABEL = "adcvsr_out"
"""Output label of the encode command's complex graph."""
_LABEL, _INPUT_LABEL = "adcvsr_companion", "adcvsr_companion_in"
_SHRINKING = (
    f"scale={SIZE}:{SIZE}:flags=neighbor",
    "settb=1/1000000", "interleave=1",  # which takes the rate away: MPEG-2 has few
    "settb=1/25", "setpts=N",
)  # fmt: skip
_ENCODING = (
    "-fps_mode", "passthrough", "-enc_time_base", "1/25", "-map_metadata", "-1", "-map_chapters", "-1",
    "-flush_packets", "1", "-f", "avi",
)  # fmt: skip


@dataclass(frozen=True)
class Codec:
    """How a companion is coded: the encoder's pixel format and options, the track of Matroska, the kinds of side data
    that it carries, and whether it carries key frames.
    """

    pixels: str
    encoding: tuple[str, ...]
    track: Coding
    carries: frozenset[str]
    has_keys: bool = False
    reading: tuple[str, ...] = ()
    """Options with which the second FFmpeg reads it."""

    def __str__(self) -> str:
        *most, last = [*sorted(self.carries), *(["key frames"] if self.has_keys else [])]
        return f"{', '.join(most)} and {last}"


MPEG2 = Codec(
    "yuv420p",
    ("-c:v", "mpeg2video", "-strict", "unofficial", "-flags", "low_delay", "-bf", "0", "-g", "600", "-q:v", "31",
     "-sc_threshold", "1000000000", "-force_key_frames", "source"),
    Coding(b"V_MPEG2", b"", SIZE), frozenset({CAPTIONS, PACKING}), has_keys=True,
)  # fmt: skip
_BITMAP = struct.pack("<IiiHH4sIiiII", 40, SIZE, SIZE, 1, 24, b"MPNG", 0, 0, 0, 0, 0)
PNG = Codec(
    "rgb24", ("-c:v", "png", "-compression_level", "1"),
    Coding(b"V_MS/VFW/FOURCC", _BITMAP, SIZE), frozenset({PROFILE, EXIF}),
    reading=("-noautorotate",),  # whatever EXIF says of it: the first FFmpeg did that, or was asked not to
)  # fmt: skip
_EXIF_IN_FRAMES = (60, 0)
"""libavutil from which frames have EXIF (FFmpeg 8)."""


@dataclass(frozen=True)
class Companion:
    """A companion that the first command is to write: its output's words, less the name, and how it is coded."""

    words: list[str]
    codec: Codec


def codec_for(kinds: Iterable[str], version: tuple[int, int], *, keys: bool = False) -> Codec | None:
    """The companion of frames with these kinds of side data, given libavutil's version; `keys` says whether it is asked
    for key frames. None if there is no need of one.
    """
    seen = {kind for kind in kinds if kind != EXIF or version >= _EXIF_IN_FRAMES}
    if keys or seen & MPEG2.carries:
        return MPEG2
    return PNG if seen & PNG.carries else None


_BLENDABLE = re.compile(
    r"(yuva?(420|422|444)p|gbra?p|gray)((9|10|12|14|16)le)?|yuv4(40|11|10)p|yuvj4(20|22|44|40)p|(gray|gbrp)f32le"
)
"""Pixel formats for which `blend` copies samples exactly in every release."""
_WITH_ALPHA = ("rgba", "bgra", "argb", "abgr")
_PLANAR = {
    **dict.fromkeys(("nv12", "nv21"), "yuv420p"),
    **dict.fromkeys(("rgb24", "bgr24"), "gbrp"),
    **dict.fromkeys(_WITH_ALPHA, "gbrap"),
    **dict.fromkeys(("rgb48le", "rgb48be", "bgr48le", "bgr48be"), "gbrp16le"),
    **dict.fromkeys(("rgba64le", "rgba64be", "bgra64le", "bgra64be"), "gbrap16le"),
    "gray16be": "gray16le",
}
_APART = (
    "extractplanes=r+g+b+a[adcvsr_r][adcvsr_g][adcvsr_b][adcvsr_a];"
    "[adcvsr_g][adcvsr_b][adcvsr_r][adcvsr_a]mergeplanes=map1s=1:map2s=2:map3s=3:format=gbrap"
)
"""What makes planes of RGB of 8 bits with alpha, to which FFmpeg's own conversion before FFmpeg 9 may add 1."""
_MAX_TICKS = 500_000
"""Ticks per second from which filters with two inputs round timestamps."""
_UNKNOWN_COLORS = "range=unknown:colorspace=unknown:color_primaries=unknown:color_trc=unknown"
_LIST, _MOVIE, _FRAME = (b"RIFF", b"LIST"), b"movi", b"00dc"
_PACKET_SECONDS = 60.0
"""Seconds to wait for the packet of a received frame; both are written at once, but read on two threads."""


def beside(codec: Codec, graph: Graph, specifier: str) -> Companion:
    """The companion of what a simple graph makes of a stream."""
    for body in _shrunk(codec):
        graph = append(graph, body, [])
    return Companion(["-map", specifier, "-filter:v", str(graph), *codec.encoding, *_ENCODING], codec)


def with_companion(codec: Codec, graph: Graph, label: str) -> tuple[Graph, Companion]:
    """A complex graph with a companion branch, and output arguments for it; its main output gets `label`."""
    graph = append(graph, "split", [label, _INPUT_LABEL])
    *most, last = _shrunk(codec)
    small = (Node.labelled(most[0], [_INPUT_LABEL]), *map(Node, most[1:]), Node.labelled(last, (), [_LABEL]))
    words = ["-map", f"[{_LABEL}]", *codec.encoding, *_ENCODING]
    return replace(graph, chains=(*graph.chains, small)), Companion(words, codec)


def _shrunk(codec: Codec) -> Sequence[str]:
    first, *rest = _SHRINKING
    return [first, f"format={codec.pixels}", *rest]


def can_carry(pixel_format: str, time_base: Fraction) -> bool:
    """Whether pixels can be replaced without changing format or timestamps."""
    return time_base.denominator < _MAX_TICKS and bool(_BLENDABLE.fullmatch(_planar_format(pixel_format)))


def frame_filters(
    width: int, height: int, pixel_format: str, time_base: Fraction, version: tuple[int, int]
) -> tuple[Node, ...]:
    """Filters that scale the companion to the frame's size and format, without color tags."""
    unknown = _UNKNOWN_COLORS + (":chroma_location=unknown" if version >= LOCATION_OPTION else "")
    first = Node.labelled(_settb(time_base), ["0:v:1"])
    is_rgb = _planar_format(pixel_format).startswith("gbr")
    tags = [] if is_rgb else [Node(f"setparams={unknown}")]
    scaled = Node(f"scale={width}:{height}:flags=neighbor")
    return (
        first,
        scaled,
        Node(f"format={_planar_format(pixel_format)}"),
        *tags,
        Node.labelled("setsar=0", (), [_LABEL]),
    )


def merge_filters(pixel_format: str, time_base: Fraction) -> list[str]:
    """Filters that put the upscaled pixels into the companion's frames."""
    planes = _planar_format(pixel_format)
    before = _APART if pixel_format in _WITH_ALPHA else f"format={planes}"
    around = ([before], [f"format={pixel_format}"]) if planes != pixel_format else ([], [])
    return [_settb(time_base), *around[0], f"[{_LABEL}]blend=all_mode=normal:all_opacity=0", *around[1]]


def _settb(time_base: Fraction) -> str:
    return f"settb={time_base.numerator}/{time_base.denominator}"


def _planar_format(pixel_format: str) -> str:
    return _PLANAR.get(pixel_format, pixel_format)


class CompanionPackets:
    """Packets of the companion, read from a pipe on a separate thread. The pipe is closed at its end."""

    def __init__(self, opened: Callable[[], BinaryIO], codec: Codec = MPEG2) -> None:
        self.codec = codec
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._is_wanted = True
        threading.Thread(target=self._run, args=(opened,), name="companion", daemon=True).start()

    def next(self) -> bytes:
        """The packet of the frame just received. Raises MediaError if there is none."""
        try:
            packet = self._queue.get(timeout=_PACKET_SECONDS)
        except queue.Empty:
            packet = None
        if packet is None:
            raise MediaError("the decoder sent a frame without its side data: please report its command")
        return packet

    def discard(self) -> None:
        """Stops keeping packets."""
        self._is_wanted = False

    def _run(self, opened: Callable[[], BinaryIO]) -> None:
        with suppress(OSError), opened() as file:  # a connection that never comes, or is broken off
            self._read(file)
        self._queue.put(None)

    def _read(self, file: BinaryIO) -> None:
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name in _LIST and file.read(4) in {_MOVIE, b"AVI "}:
                continue
            data = file.read(size + size % 2 - (4 if name in _LIST else 0))
            if name == _FRAME and size and self._is_wanted:
                self._queue.put(data[:size])


@contextmanager
def receiving(
    codec: Codec, *, by_socket: bool = sys.platform == "win32"
) -> Iterator[tuple[CompanionPackets, str, Sequence[int]]]:
    """The packets that the first FFmpeg will write, the name of its output, and the descriptors that it has to inherit
    when it is started meanwhile. On Windows, where it inherits none, it is a connection on this machine.
    """
    if by_socket:
        listener = socket.create_server(("127.0.0.1", 0))
        name = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        yield CompanionPackets(lambda: _accepted(listener), codec), name, ()
        return
    readable, writable = os.pipe()
    try:
        yield CompanionPackets(lambda: os.fdopen(readable, "rb"), codec), f"pipe:{writable}", (writable,)
    finally:
        os.close(writable)


def _accepted(listener: socket.socket) -> BinaryIO:
    """What is written by whoever connects first; nobody else can. Raises OSError if nobody does."""
    listener.settimeout(_PACKET_SECONDS)
    with listener:
        connection, _ = listener.accept()
    with connection:
        connection.settimeout(None)
        return connection.makefile("rb")
