"""Companion track: a tiny encoded copy of the frames before `adcvsr`, which carries side data that raw video cannot.

MPEG-2 keeps closed captions, frame packing and key frames; PNG keeps ICC profiles and EXIF. The track passes both pipes
in parallel with the frames, and the encode command replaces its pixels by the upscaled ones.
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
from ffmpeg_filter.media.matroska import TrackCodec
from ffmpeg_filter.media.showinfo import CAPTIONS, EXIF, PACKING, PROFILE
from vsadcvsr.errors import MediaError

SIZE = 16
"""Width and height."""
OUTPUT_LABEL = "adcvsr_out"
"""Output label of the encode command's complex graph."""
_LABEL, _INPUT_LABEL = "adcvsr_companion", "adcvsr_companion_in"
_SHRINKING = (
    f"scale={SIZE}:{SIZE}:flags=neighbor",
    "settb=1/1000000", "interleave=1",  # removes the frame rate: MPEG-2 supports only a few
    "settb=1/25", r"setpts=N+st(0\,if(N\,ld(0)\,if(isnan(T)\,0\,floor(1000*T))))",  # N restarts where the size changes
)  # fmt: skip
_ENCODING = (
    "-fps_mode", "passthrough", "-enc_time_base", "1/25", "-map_metadata", "-1", "-map_chapters", "-1",
    "-bsf:v", "setts=ts=N", "-flush_packets", "1", "-f", "avi",
)  # fmt: skip


@dataclass(frozen=True)
class CompanionCodec:
    """How a companion track is encoded."""

    pixel_format: str
    encoder_options: tuple[str, ...]
    matroska_codec: TrackCodec
    carries: frozenset[str]
    """Kinds of side data that it preserves."""
    carries_keyframes: bool = False
    input_options: tuple[str, ...] = ()
    """Input options of the encode command."""

    def __str__(self) -> str:
        *leading, last = [*sorted(self.carries), *(["key frames"] if self.carries_keyframes else [])]
        return f"{', '.join(leading)} and {last}"


MPEG2 = CompanionCodec(
    "yuv420p",
    ("-c:v", "mpeg2video", "-strict", "unofficial", "-flags", "low_delay", "-bf", "0", "-g", "600", "-q:v", "31",
     "-sc_threshold", "1000000000", "-force_key_frames", "source"),
    TrackCodec(b"V_MPEG2", b"", SIZE), frozenset({CAPTIONS, PACKING}), carries_keyframes=True,
)  # fmt: skip
_BITMAP = struct.pack("<IiiHH4sIiiII", 40, SIZE, SIZE, 1, 24, b"MPNG", 0, 0, 0, 0, 0)
PNG = CompanionCodec(
    "rgb24", ("-c:v", "png", "-compression_level", "1"),
    TrackCodec(b"V_MS/VFW/FOURCC", _BITMAP, SIZE), frozenset({PROFILE, EXIF}),
    input_options=("-noautorotate",),  # regardless of EXIF: the decoding FFmpeg has rotated, or was told not to
)  # fmt: skip
_EXIF_LIBAVUTIL = (60, 0)
"""libavutil from which frames have EXIF (FFmpeg 8)."""


@dataclass(frozen=True)
class CompanionTrack:
    """A companion track to be written by the decode command."""

    output_args: list[str]
    """Output arguments without a file name."""
    codec: CompanionCodec


def codec_for(
    kinds: Iterable[str], version: tuple[int, int], *, wants_keyframes: bool = False
) -> CompanionCodec | None:
    """The companion codec for kinds of side data, given libavutil's version; None if none is needed. `wants_keyframes`
    asks for the source's key frames.
    """
    carried = {kind for kind in kinds if kind != EXIF or version >= _EXIF_LIBAVUTIL}
    if wants_keyframes or carried & MPEG2.carries:
        return MPEG2
    return PNG if carried & PNG.carries else None


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
_PLANES_OF_RGBA = (
    "extractplanes=r+g+b+a[adcvsr_r][adcvsr_g][adcvsr_b][adcvsr_a];"
    "[adcvsr_g][adcvsr_b][adcvsr_r][adcvsr_a]mergeplanes=map1s=1:map2s=2:map3s=3:format=gbrap"
)
"""Converts packed 8-bit RGBA to planes; FFmpeg's own conversion may add 1 before FFmpeg 9."""
_MAX_TICKS = 500_000
"""Ticks per second from which filters with two inputs round timestamps."""
_UNKNOWN_COLORS = "range=unknown:colorspace=unknown:color_primaries=unknown:color_trc=unknown"
_LIST, _MOVIE, _FRAME = (b"RIFF", b"LIST"), b"movi", b"00dc"
_PACKET_SECONDS = 60.0
"""Seconds to wait for the packet of a received frame; both are written at once, but read on two threads."""


def from_simple_graph(codec: CompanionCodec, graph: Graph, specifier: str) -> CompanionTrack:
    """The companion track of a simple graph's output."""
    for body in _shrinking_filters(codec):
        graph = append(graph, body, [])
    return CompanionTrack(["-map", specifier, "-filter:v", str(graph), *codec.encoder_options, *_ENCODING], codec)


def with_companion(codec: CompanionCodec, graph: Graph, label: str) -> tuple[Graph, CompanionTrack]:
    """A complex graph with a companion branch, and its track; the main output gets `label`."""
    graph = append(graph, "split", [label, _INPUT_LABEL])
    *leading, last = _shrinking_filters(codec)
    shrinking = (Node.labelled(leading[0], [_INPUT_LABEL]), *map(Node, leading[1:]), Node.labelled(last, (), [_LABEL]))
    output_args = ["-map", f"[{_LABEL}]", *codec.encoder_options, *_ENCODING]
    return replace(graph, chains=(*graph.chains, shrinking)), CompanionTrack(output_args, codec)


def _shrinking_filters(codec: CompanionCodec) -> Sequence[str]:
    first, *rest = _SHRINKING
    return [first, f"format={codec.pixel_format}", *rest]


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
    to_planar = _PLANES_OF_RGBA if pixel_format in _WITH_ALPHA else f"format={planes}"
    conversions = ([to_planar], [f"format={pixel_format}"]) if planes != pixel_format else ([], [])
    return [_settb(time_base), *conversions[0], f"[{_LABEL}]blend=all_mode=normal:all_opacity=0", *conversions[1]]


def _settb(time_base: Fraction) -> str:
    return f"settb={time_base.numerator}/{time_base.denominator}"


def _planar_format(pixel_format: str) -> str:
    return _PLANAR.get(pixel_format, pixel_format)


class CompanionPackets:
    """Packets of the companion, read from a pipe on a separate thread. The pipe is closed at its end."""

    def __init__(self, open_input: Callable[[], BinaryIO], codec: CompanionCodec = MPEG2) -> None:
        self.codec = codec
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._keeps_packets = True
        threading.Thread(target=self._run, args=(open_input,), name="companion", daemon=True).start()

    def next(self) -> bytes:
        """The packet of the frame just received. Raises MediaError if there is none."""
        try:
            packet = self._queue.get(timeout=_PACKET_SECONDS)
        except queue.Empty:
            packet = None
        if packet is None:
            raise MediaError("the decoder sent a frame without its side data; please report the command")
        return packet

    def discard(self) -> None:
        """Stops keeping packets."""
        self._keeps_packets = False

    def _run(self, open_input: Callable[[], BinaryIO]) -> None:
        with suppress(OSError), open_input() as file:  # a connection that never comes, or is broken off
            self._read(file)
        self._queue.put(None)

    def _read(self, file: BinaryIO) -> None:
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name in _LIST and file.read(4) in {_MOVIE, b"AVI "}:
                continue
            data = file.read(size + size % 2 - (4 if name in _LIST else 0))
            if name == _FRAME and size and self._keeps_packets:
                self._queue.put(data[:size])


@contextmanager
def open_receiver(
    codec: CompanionCodec, *, by_socket: bool = sys.platform == "win32"
) -> Iterator[tuple[CompanionPackets, str, Sequence[int]]]:
    """The packets to come, the output's URL, and descriptors to pass to a decoder started while entered. On Windows,
    where descriptors cannot be inherited, a loopback connection.
    """
    if by_socket:
        listener = socket.create_server(("127.0.0.1", 0))
        name = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        yield CompanionPackets(lambda: _accept(listener), codec), name, ()
        return
    readable, writable = os.pipe()
    try:
        yield CompanionPackets(lambda: os.fdopen(readable, "rb"), codec), f"pipe:{writable}", (writable,)
    finally:
        os.close(writable)


def _accept(listener: socket.socket) -> BinaryIO:
    """The stream of the first connection; the port then closes. Raises OSError if there is none."""
    listener.settimeout(_PACKET_SECONDS)
    with listener:
        connection, _ = listener.accept()
    with connection:
        connection.settimeout(None)
        return connection.makefile("rb")
