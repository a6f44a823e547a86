"""Files made with FFmpeg's own test pictures, the command under test, and what is in the files that it makes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from ffmpeg_filter.cli import main
from ffmpeg_filter.media.av_frames import to_raw_frame
from ffmpeg_filter.media.binary import find_binary
from ffmpeg_filter.media.frame import Plane
from ffmpeg_filter.media.nut import to_fraction

ROOT = Path(__file__).parents[2]
FFMPEG = str(imageio_ffmpeg.get_ffmpeg_exe())
PICTURES = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4,noise=alls=9:allf=t"  # no two alike
SOUND = "-f lavfi -i sine=330:d=0.4"
NEAREST = "adcvsr=model=nearest:scale=2"


def words_of(arguments: Sequence[str | Path]) -> list[str]:
    """Texts split at spaces, paths as they are."""
    return [word for item in arguments for word in ([str(item)] if isinstance(item, Path) else item.split())]


def ffmpeg(*arguments: str | Path) -> str:
    """FFmpeg itself; what it wrote on standard output."""
    command = [FFMPEG, "-v", "error", "-nostdin", "-y", *words_of(arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def plain_status(*arguments: str | Path) -> int:
    """What the FFmpeg that our command would run ends a command of its own with."""
    line = [find_binary().path, "-v", "quiet", "-nostdin", "-y", *words_of(arguments)]
    return subprocess.run(line, capture_output=True, timeout=60, check=False).returncode


def skip_if_it_crashes(path: Path) -> None:
    """Skips the test if the FFmpeg that we run dies of a file by itself, as a static build of 7.0.2 does of MPEG-TS."""
    if plain_status("-v quiet -nostdin -i", path, "-f null -") < 0:
        pytest.skip(f"this FFmpeg crashes by itself on {path.suffix}")


def ffadcvsr(*arguments: str | Path) -> int:
    """Our command, in this process; its exit status."""
    return main(words_of(arguments))


def command(*arguments: str | Path) -> list[str]:
    """Our command as another process runs it."""
    return [sys.executable, "-c", "from ffmpeg_filter.program import run; run()", *words_of(arguments)]


def surroundings(**more: str) -> dict[str, str]:
    """The environment of such a process."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def captioned(path: Path, *, frames: int = 10, first: int = 0) -> Path:
    """A clip of 10 frames a second with closed captions (CEA-608 in ATSC A/53), other ones in each from `first` on."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"bf": "0", "preset": "ultrafast", "g": "4"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 20 * number % 256, np.uint8), "yuv420p")
            frame.pts = number
            for packet in stream.encode(frame):
                captions = bytes([0xFC, 0x80 + number, 0xE5])
                file.mux(packet if number < first else _with_captions(packet, captions))
        file.mux(stream.encode(None))
    return path


def _with_captions(packet: av.Packet[av.VideoStream], triplet: bytes) -> av.Packet[av.stream.Stream]:
    """A packet of H.264 behind a message with captions."""
    payload = b"\xb5\x00\x31GA94\x03\x41\xff" + triplet + b"\xff"
    result = av.Packet(b"\0\0\0\1\x06\x04" + bytes([len(payload)]) + payload + b"\x80" + bytes(packet))
    result.pts, result.dts, result.time_base, result.stream = packet.pts, packet.dts, packet.time_base, packet.stream
    result.is_keyframe = packet.is_keyframe
    return result


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as file:
        return list(file.decode(video=0))


def planes(path: Path) -> list[tuple[Plane, ...]]:
    """The samples of each frame, alpha last."""
    raws = [to_raw_frame(frame) for frame in decoded(path)]
    return [(*raw.planes, *([] if raw.alpha is None else [raw.alpha])) for raw in raws]


def alike(first: Path, second: Path) -> bool:
    """Whether the pictures of two files have the same bits."""
    pairs = list(zip(planes(first), planes(second), strict=True))
    return bool(pairs) and all(
        bool((a == b).all()) for before, after in pairs for a, b in zip(before, after, strict=True)
    )


def times(path: Path) -> list[Fraction]:
    """When each frame begins, in seconds."""
    return [
        frame.pts * (to_fraction(frame.time_base) or Fraction(0)) for frame in decoded(path) if frame.pts is not None
    ]


def streams(path: Path) -> list[str]:
    with av.open(str(path)) as file:
        return [
            f"{stream.type} {stream.name}" if stream.type != "attachment" else stream.type for stream in file.streams
        ]


def copied(path: Path, specifier: str = "a") -> str:
    """Hashes of the coded streams."""
    return ffmpeg("-i", path, f"-map 0:{specifier} -c copy -f streamhash -")
