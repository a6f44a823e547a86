"""Every pixel format crosses the pipe to the encoder, and that from the decoder, with its samples as they were."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ffmpeg_filter.media import binary, rawvideo
from ffmpeg_filter.media.av_frames import component_views
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.media.pipe_formats import PipeFormat, pipe_format_of
from ffmpeg_filter.media.pixel_formats import LAYOUTS, layout_of, supported_formats
from ffmpeg_filter.transcode import frame_writer
from tests.ffmpeg_filter.files import ffadcvsr
from tests.ffmpeg_filter.likeness import program
from vsadcvsr.errors import FormatError

INFO = frame_writer.StreamInfo(time_base=Fraction(1, 25), rate=Fraction(25))
HALF = [name for name, layout in LAYOUTS.items() if layout.dtype[1:] == "f2"]
WITHOUT_TAGS = [
    "p010le", "p010be", "p012le", "p016le", "p016be", "p210le", "p212le", "p216le", "p410le", "p412le", "p416le",
    "nv16", "nv24", "nv42", "ya16le", "ya16be", "grayf32le", "grayf32be", "gbrpf32le", "yuv440p10le", "yuv440p12le",
    "yuv440p12be", "yuvj411p", "yuvj440p", "yuvj420p", "gray9le", "gray14be", "gbrap12le", "yuva444p12le", "ya8",
]  # fmt: skip
"""Formats that FFmpeg's raw video has no FourCC for, and some beside."""
FOREIGN = {
    "pal8": 18 * 10 + 1024, "monow": 3 * 10, "monob": 3 * 10, "rgb8": 18 * 10, "bgr4_byte": 18 * 10,
    "rgb565le": 36 * 10, "bgr565be": 36 * 10, "rgb555le": 36 * 10, "bgr555le": 36 * 10, "rgb444be": 36 * 10,
}  # fmt: skip
"""Formats that have no layout here, and the bytes of 18x10: FFmpeg converts them, as in front of any filter."""


def sampled(pixel_format: str, width: int, height: int) -> av.VideoFrame:
    """A frame of noise, with no bits that are no sample's."""
    frame = av.VideoFrame(width, height, pixel_format)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    layout, noise = layout_of(pixel_format), np.random.default_rng(1)
    for view in component_views(frame, layout):
        if layout.format.is_float:
            view[:] = noise.random(view.shape, np.float32)
        else:
            view[:] = noise.integers(0, 1 << layout.format.bits, view.shape) << layout.shift
    frame.pts, frame.time_base = 0, INFO.time_base
    return frame


def content(frame: av.VideoFrame) -> bytes:
    """All samples of a frame."""
    return b"".join(
        np.ascontiguousarray(view).tobytes() for view in component_views(frame, layout_of(frame.format.name))
    )


def packed(frame: av.VideoFrame) -> bytes:
    """A frame as FFmpeg's raw video has it."""
    plain = PipeFormat("rawvideo", b"", frame.format.name)
    return b"".join(bytes(memoryview(part).cast("B")) for part in rawvideo.frame_buffers(frame, plain))


def unpacked(data: bytes, like: av.VideoFrame) -> av.VideoFrame:
    """The frame that raw video holds."""
    read = _reader(data)
    return rawvideo.read_frame(like.width, like.height, like.format.name, read)


def _reader(data: bytes) -> Callable[[memoryview], None]:
    at = 0

    def fill(buffer: memoryview) -> None:
        nonlocal at
        buffer[:] = data[at : at + len(buffer)]
        at += len(buffer)

    return fill


def run(ffmpeg: str, *arguments: str) -> None:
    subprocess.run([ffmpeg, "-v", "error", "-nostdin", "-y", *arguments], check=True, timeout=60)


def formats(ffmpeg: str) -> list[str]:
    return [name for name in supported_formats(binary.inspect_binary(ffmpeg).version) if name not in HALF]


@pytest.mark.parametrize("size", [(18, 10), (35, 13)])
@pytest.mark.parametrize("release", ["5.1", "7", "9"])
def test_all_formats_cross_the_pipe_to_the_encoder(release: str, size: tuple[int, int], tmp_path: Path) -> None:
    ffmpeg = program(release)
    for names in itertools.batched(formats(ffmpeg), 25):
        frames = [sampled(name, *size) for name in names]
        run(ffmpeg, *_encoder(ffmpeg, frames, tmp_path))
        result = [unpacked((tmp_path / f"{frame.format.name}.raw").read_bytes(), frame) for frame in frames]
        assert [name for name, a, b in zip(names, frames, result, strict=True) if content(a) != content(b)] == []


def _encoder(ffmpeg: str, frames: Sequence[av.VideoFrame], place: Path) -> Iterator[str]:
    """One command that reads them all from files, and writes what it read as raw video."""
    graph, version = [], binary.inspect_binary(ffmpeg).version
    for number, frame in enumerate(frames):
        path = place / f"{frame.format.name}.pipe"
        with path.open("wb") as file:
            frame_writer.FrameWriter(file.fileno(), frame, INFO).write(frame)
        yield from (*frame_writer.input_options(frame, INFO), "-i", str(path))
        graph.append(
            f"[{number}:v]{','.join(frame_writer.restoring_filters(frame.format.name, INFO, version))}[v{number}]"
        )
    yield from ("-filter_complex", ";".join(graph))
    for number, frame in enumerate(frames):
        yield from ("-map", f"[v{number}]", "-f", "rawvideo", str(place / f"{frame.format.name}.raw"))


@pytest.mark.parametrize("release", ["5.1", "7", "9"])
def test_all_formats_cross_the_pipe_from_the_decoder(release: str, tmp_path: Path) -> None:
    ffmpeg = program(release)
    graph = f"format={'|'.join(supported_formats(binary.inspect_binary(ffmpeg).version))}"
    for names in itertools.batched(formats(ffmpeg), 25):
        frames = [sampled(name, 18, 10) for name in names]
        arguments, outputs = [], []
        for number, frame in enumerate(frames):
            source, path = tmp_path / f"{number}.in", tmp_path / f"{number}.out"
            source.write_bytes(packed(frame))
            arguments += [
                "-f",
                "rawvideo",
                "-pixel_format",
                frame.format.name,
                "-video_size",
                "18x10",
                "-i",
                str(source),
            ]
            outputs += ["-map", f"{number}:v", "-vf", graph, "-f", "rawvideo", str(path)]
        run(ffmpeg, *arguments, *outputs)
        result = [unpacked((tmp_path / f"{n}.out").read_bytes(), frame) for n, frame in enumerate(frames)]
        assert [name for name, a, b in zip(names, frames, result, strict=True) if content(a) != content(b)] == []


@pytest.mark.parametrize("release", ["5.1", "7", "9"])
@pytest.mark.parametrize("name", WITHOUT_TAGS)
def test_a_command_gives_the_pixels_and_the_format_that_it_took(
    name: str, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an engine that changes nothing."""
    ffmpeg = program(release)
    if name not in formats(ffmpeg):
        pytest.skip(f"FFmpeg {release} cannot make {name}")
    monkeypatch.setenv(binary.ENVIRONMENT_VARIABLE, ffmpeg)
    monkeypatch.setattr("ffmpeg_filter.transcode.pipeline.upscale_frames", lambda frames, **_: frames)
    frame = sampled(name, 18, 10)
    (tmp_path / "in.raw").write_bytes(packed(frame))
    source = f"-f rawvideo -pixel_format {name} -video_size 18x10 -i"
    status = ffadcvsr("-v error", source, tmp_path / "in.raw", "-vf adcvsr -f rawvideo", tmp_path / "out.raw")
    assert status == 0
    assert content(unpacked((tmp_path / "out.raw").read_bytes(), frame)) == content(frame)


@pytest.mark.parametrize("release", ["5.1", "7", "9"])
@pytest.mark.parametrize("name", FOREIGN)
def test_palettes_and_few_bits_are_taken_as_a_filter_takes_them(
    name: str, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(binary.ENVIRONMENT_VARIABLE, program(release))
    (tmp_path / "in.raw").write_bytes(np.random.default_rng(1).bytes(FOREIGN[name]))
    source = ["-f", "rawvideo", "-pixel_format", name, "-video_size", "18x10", "-i", str(tmp_path / "in.raw")]
    ending = ["-pix_fmt", "rgb24", "-f", "rawvideo"]
    graph = "format=rgb24,scale=iw*4:ih*4:flags=neighbor"
    run(os.environ[binary.ENVIRONMENT_VARIABLE], *source, "-vf", graph, *ending, str(tmp_path / "plain.raw"))
    arguments = [*source, "-vf", "adcvsr=model=nearest", *ending, str(tmp_path / "ours.raw")]
    assert ffadcvsr("-v error", *map(Path, arguments)) == 0
    assert (tmp_path / "ours.raw").read_bytes() == (tmp_path / "plain.raw").read_bytes()


@pytest.mark.parametrize(("rate", "container"), [("25", "matroska"), ("60000/1001", "nut")])
@pytest.mark.parametrize("size", [(64, 48), (640, 480)])
def test_frames_of_any_size_cross_in_either_container(
    rate: str, container: str, size: tuple[int, int], tmp_path: Path
) -> None:
    info = frame_writer.StreamInfo(time_base=Fraction(1, 1000), rate=Fraction(rate))
    frames = [sampled("yuv420p", *size) for _ in range(2)]
    with (tmp_path / "pipe").open("wb") as file:
        writer = frame_writer.FrameWriter(file.fileno(), frames[0], info)
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = 7 * number, info.time_base
            writer.write(frame)
    assert container in frame_writer.input_options(frames[0], info)
    with av.open(str(tmp_path / "pipe"), "r", format=container) as source:
        packets = [packet for packet in source.demux() if packet.size]
        times = [(packet.pts or 0) * (to_fraction(packet.time_base) or Fraction(0)) for packet in packets]
    assert times == [0, Fraction(7, 1000)]
    assert [bytes(packet) for packet in packets] == [packed(frame) for frame in frames]


@pytest.mark.parametrize(("rate", "is_guessed"), [("2", True), ("5", True), ("5001/1000", False), ("25", False)])
def test_ffmpeg_does_not_guess_low_rates(rate: str, *, is_guessed: bool) -> None:
    info = frame_writer.StreamInfo(time_base=Fraction(1, 1000), rate=Fraction(rate))
    assert ("-fpsprobesize" in frame_writer.input_options(sampled("yuv420p", 64, 48), info)) is is_guessed


@pytest.mark.parametrize("name", HALF)
def test_halves_are_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(FormatError, match=f"'{name}', which FFmpeg has no raw video of; put format=… before adcvsr"):
        pipe_format_of(name)
