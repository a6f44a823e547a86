"""Networks of every scale by every entry: the same frames, for odd sizes, with and without tiles, cuts and seeking."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import av
import ffmpeg as ffmpeg_python
import numpy as np
import pytest

import ffmpeg_filter.fluent  # noqa: F401 - adds adcvsr() to streams
from ffmpeg_filter.cli import main
from ffmpeg_filter.frames import upscale_frames
from ffmpeg_filter.media.av_frames import to_raw_frame
from ffmpeg_filter.media.frame import Plane, RawFrame, VideoFormat
from ffmpeg_filter.upscale.stream import upscale
from ffmpeg_filter.upscale.y4m import read, run, write
from ffmpeg_filter.upscale.y4m_header import Header
from tests.ffmpeg_filter.farms import farmed, hashes
from tests.ffmpeg_filter.files import command, copied, decoded, ffadcvsr, ffmpeg, planes, surroundings

pytestmark = pytest.mark.usefixtures("in_tmp_path")

MODEL = "nearest-temporal-scales"
SIZE = (67, 51)  # three pixels from a multiple of four, as some outputs of FFV1 in slices must not be
FRAMES = 16

type Frames = list[tuple[Plane, ...]]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes of an odd size in 10 bits, with a sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    shape = f"scale={SIZE[0]}:{SIZE[1]},setsar=4/3,format=yuv420p10le"
    ffmpeg(
        "-f lavfi -i testsrc2=s=128x96:r=25:d=0.32,noise=alls=9:allf=t", "-f lavfi -i mandelbrot=s=128x96:r=25",
        "-f lavfi -i sine=330:d=0.64 -filter_complex",
        f"[0:v]{shape}[first];[1:v]trim=end_frame=8,setpts=PTS-STARTPTS,{shape}[second];[first][second]concat[video]",
        "-map [video] -map 2 -colorspace bt709 -c:v ffv1 -c:a flac", path,
    )  # fmt: skip
    return path


def options(scale: int, tile: int) -> str:
    return f"adcvsr={MODEL}:scale={scale}" + (f":tile={tile}x{tile}" if tile else "")


def same(frames: Iterable[tuple[Plane, ...]], expected: Frames) -> bool:
    pairs = zip(frames, expected, strict=True)
    return all(np.array_equal(*two) for pair in pairs for two in zip(*pair, strict=True))


def upscaled(frames: Iterable[av.VideoFrame], scale: int, tile: int = 0) -> Frames:
    tiles = (tile, tile) if tile else None
    return [to_raw_frame(frame).planes for frame in upscale_frames(frames, model=MODEL, scale=scale, tile=tiles)]


@pytest.mark.parametrize(("scale", "tile"), [(1, 0), (2, 24), (3, 24)])
def test_one_machine_farm_and_pyav_give_the_same_frames(clip: Path, scale: int, tile: int) -> None:
    arguments: list[str | Path] = ["-v error -i", clip, f"-vf {options(scale, tile)} -c:v ffv1 -c:a copy"]
    assert ffadcvsr(*arguments, "single.mkv") == 0
    farmed(Path("job"), *arguments, "many.mkv", seconds="0.3")
    single, many = Path("single.mkv"), Path("many.mkv")
    assert hashes(many) == hashes(single)
    assert copied(many) == copied(single) == copied(clip)
    frame = decoded(single)[0]
    assert (frame.width, frame.height) == (SIZE[0] * scale, SIZE[1] * scale)
    assert same(upscaled(decoded(clip), scale), planes(single))


def test_chunks_without_loss_are_those_of_one_machine_at_an_odd_size(clip: Path) -> None:
    arguments: list[str | Path] = ["-v error -i", clip, f"-vf {options(1, 0)} -c:v ffv1 -c:a copy"]
    assert ffadcvsr(*arguments, "single.mkv") == 0
    farmed(Path("job"), *arguments, "-farm_intermediate ffv1 many.mkv", seconds="0.3")
    assert hashes(Path("many.mkv")) == hashes(Path("single.mkv"))


def test_after_a_seek_frames_are_those_of_the_part(clip: Path) -> None:
    arguments: list[str | Path] = ["-v error -ss 0.2 -i", clip, f"-vf {options(3, 0)} -c:v ffv1 -c:a copy"]
    assert ffadcvsr(*arguments, "single.mkv") == 0
    farmed(Path("job"), *arguments, "many.mkv", seconds="0.3")
    assert hashes(Path("many.mkv")) == hashes(Path("single.mkv"))
    assert same(upscaled(decoded(clip)[5:], 3), planes(Path("single.mkv")))


@pytest.mark.parametrize(("scale", "tile"), [(1, 24), (2, 0), (3, 24)])
def test_pipes_give_the_frames_of_pyav(clip: Path, scale: int, tile: int) -> None:
    frames = decoded(clip)
    header = Header.parse(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F25:1 Ip A4:3 C420p10 XCOLORRANGE=LIMITED")
    source, output = BytesIO(), BytesIO()
    write(source, header, (replace(to_raw_frame(frame), tag="") for frame in frames))
    tiles = (tile, tile) if tile else None
    run(BytesIO(source.getvalue()), output, model=MODEL, scale=scale, matrix=1, tile=tiles)
    header, raws = read(BytesIO(output.getvalue()))
    assert (header.width, header.height, header.aspect) == (SIZE[0] * scale, SIZE[1] * scale, "4:3")
    assert same((raw.planes for raw in raws), upscaled(frames, scale))


def test_the_operator_of_ffmpeg_python_gives_the_frames_of_the_command(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = ffmpeg_python.input(str(clip)).video.adcvsr(model=MODEL, scale=3)
    assert main(["-v", "error", *video.output("graph.mkv", vcodec="ffv1").get_args()]) == 0
    assert same(upscaled(decoded(clip), 3), planes(Path("graph.mkv")))


def test_a_resize_after_the_network_is_said_where_ffmpeg_names_its_scalers(clip: Path) -> None:
    for level, is_said in (("verbose", True), ("info", False)):
        arguments = ("-v", level, "-y -i", clip, "-frames:v 1 -vf adcvsr=nearest:scale=3 -c:v ffv1 -an", "out.mkv")
        result = subprocess.run(command(*arguments), env=surroundings(), capture_output=True, text=True, check=True)
        message = "ffadcvsr: model 'nearest' upscales by 4 here; its output is resized to 201x153"
        assert (message in result.stderr.splitlines()) == is_said, result.stderr


@pytest.mark.parametrize("size", [(100, 75), (151, 203), (40, 30), (130, 98), (134, 102), (263, 199)])
def test_an_odd_clip_is_resized_to_an_exact_size_by_its_own_sides(size: tuple[int, int]) -> None:
    """It is padded to even sides on the way, which must not stretch it."""
    width, height = 65, 49
    columns, rows = np.arange(width), np.arange(height)[:, None]
    luma = (8000 + 500 * columns + 300 * rows).astype(np.uint16)
    chroma = np.full((25, 33), 32768, np.uint16)
    odd = RawFrame(VideoFormat("YUV", 16, (1, 1)), width, height, (luma, chroma, chroma), luma)
    (output,) = upscale([odd], model="nearest", width=size[0], height=size[1])
    centres = [(np.arange(count) + 0.5) * side / count - 0.5 for count, side in zip(size, (width, height), strict=True)]
    expected = 8000 + 500 * centres[0] + 300 * centres[1][:, None]
    assert output.alpha is not None
    for plane, border in ((output.planes[0], 4), (output.alpha, 8)):
        assert plane.shape == size[::-1]
        inner = (slice(border, -border), slice(border, -border))
        apart = (plane.astype(np.float64) - expected)[inner]
        assert abs(apart[:, -4:].mean()) < 30
        assert abs(apart[-4:].mean()) < 30
