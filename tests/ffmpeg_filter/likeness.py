"""One command run by FFmpeg alone, with `scale` in place of `adcvsr`, and by us: what is in the files they make."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from ffmpeg_filter.cli import main
from ffmpeg_filter.media.nut import to_fraction
from tests.ffmpeg_filter.binaries import of_release

OURS, PLAIN = "adcvsr=model=nearest:scale=2", "scale=iw*2:ih*2:flags=neighbor"
_OF_PROGRAMS = re.compile(r"DURATION|encoder|creation_time|vendor_id", re.IGNORECASE)
_PACKING = re.compile(rb"\0\0(?:\x01|\0[^\0])(\x06\x2d.{6})", re.DOTALL)
_TEXTS = {".crc", ".txt", ".m3u8", ".csv"}


def program(release: str) -> str:
    """An FFmpeg of that release. Skips the test where there is none."""
    return of_release(release).path


type Made = dict[str, list[str]]
"""What is in files, by their names, and whether the command was well done."""


def both(ffmpeg: str, arguments: str, inputs: Path, work: Path) -> tuple[Made, Made]:
    """What is in the files that FFmpeg alone makes of a command, and in ours, by their names.

    `N` is the filter, `@` the folder of inputs, `OUT` how the names of outputs begin.
    """
    places = [work / "plain", work / "ours"]
    argv = [
        ["-nostdin", "-v", "error", "-y", *placed(arguments.replace("N", name), inputs, place)]
        for name, place in zip((PLAIN, OURS), places, strict=True)
    ]
    with subprocess.Popen([ffmpeg, *argv[0]], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as plain:
        status = main(argv[1])
        plain.wait(60)
    return _made(places[0], plain.returncode), _made(places[1], status)


def placed(arguments: str, inputs: Path, place: Path) -> list[str]:
    """A command's words, with the folder of inputs and that of outputs, which is made."""
    place.mkdir()
    return [re.sub(r"\bOUT", f"{place}/OUT", word.replace("@", f"{inputs}/")) for word in shlex.split(arguments)]


def _made(place: Path, status: int) -> Made:
    result = {str(path.relative_to(place)): list(_content(path)) for path in sorted(place.rglob("*")) if path.is_file()}
    return {"well done": [str(not status)], **(result if not status else {})}


def _content(path: Path) -> Iterator[str]:
    if path.suffix in _TEXTS:
        yield from (line for line in path.read_text().splitlines() if not line.startswith("#EXT-X-TARGET"))
        return
    try:
        file = av.open(str(path))
    except av.FFmpegError:
        yield "cannot be opened"  # as an MP4 without packets, or an empty file
        return
    with file:
        for stream in file.streams:
            yield f"{stream.index} {stream.type} {stream.name} {int(stream.disposition)} {_of(stream)}"
        for packet in file.demux():
            if packet.size:
                key = " key" if packet.is_keyframe else ""
                sides = ",".join([*sorted(_sides(packet)), *_captions(bytes(packet)), *_packing(bytes(packet))])
                yield f"{packet.stream_index} {packet.pts} {packet.dts} {packet.duration}{key} {sides}".rstrip()


def _of(stream: av.stream.Stream) -> str:
    tags = sorted(f"{name}={value}" for name, value in stream.metadata.items() if not _OF_PROGRAMS.search(name))
    rates = [to_fraction(getattr(stream, name, None)) for name in ("average_rate", "base_rate")]
    tick = to_fraction(stream.time_base) or Fraction(0)
    shape = f"sar {stream.sample_aspect_ratio} " if isinstance(stream, av.VideoStream) else ""
    return f"tick {tick} rates {rates[0]} {rates[1]} {shape}{' '.join(tags)}"


def _captions(data: bytes) -> list[str]:
    """The closed captions in a packet: what follows their name, in triplets that are counted before them."""
    parts = data.split(b"GA94\x03")[1:]
    return [part[2 : 2 + 3 * (part[0] & 31)].hex() for part in parts]


def _packing(data: bytes) -> list[str]:
    """The messages of H.264 on frame packing in a packet."""
    return [message.hex() for message in _PACKING.findall(data)]


def _sides(packet: av.Packet[av.stream.Stream]) -> list[str]:
    return [str(side.data_type) for side in packet.iter_sidedata()]
