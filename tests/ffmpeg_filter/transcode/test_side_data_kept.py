"""Side data of frames and streams come to the output as with FFmpeg alone: ICC profiles, EXIF, HDR10 metadata."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from ffmpeg_filter.cli import main
from ffmpeg_filter.media import binary, matroska
from ffmpeg_filter.media.nut import VideoTrack
from tests.ffmpeg_filter.files import ffmpeg
from tests.ffmpeg_filter.likeness import OURS, PLAIN, placed, program
from tests.ffmpeg_filter.stills import still

_LEVELS = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
_PQ = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -pix_fmt yuv420p10le"
_BY_ENCODERS = re.compile(r"User Data Unregistered|CPB|bitrate")
_CHUNKS = re.compile(rb"....(?:iCCP|eXIf|cICP|cLLI|mDCV)", re.DOTALL)
X264 = "-c:v libx264 -preset ultrafast"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stills with profiles and EXIF; films with HDR10 metadata in the bitstream, and in the container alone."""
    at = tmp_path_factory.mktemp("inputs")
    for name, pixels in (("a.png", "rgb24"), ("b.png", "rgba"), ("c.png", "rgb48be"), ("d.png", "gray16be")):
        still(at / name, pixels=pixels)
    still(at / "s01.png")
    still(at / "s02.png")
    still(at / "turned.jpg", pixels="yuvj444p", orientation=6)
    still(at / "a.webp", pixels="yuv420p")
    still(at / "a.tiff")
    film = f"-f lavfi -i testsrc2=s=64x64:r=10:d=0.3 {_PQ}"
    ffmpeg(f"{film} -c:v libx265 -x265-params {_LEVELS}:hdr10=1:repeat-headers=1:log-level=none", at / "sei.mkv")
    ffmpeg("-i", at / "sei.mkv", f"-map 0 -c:v ffv1 {_PQ}", at / "container.mkv")
    ffmpeg(f"-f lavfi -i testsrc2=s=64x48:r=10:d=0.3 {X264} -metadata:s:v stereo_mode=left_right", at / "stereo.mkv")
    (at / "sphere.mkv").write_bytes(_sphere())
    return at


def _sphere() -> bytes:
    """Three raw frames with a projection."""
    side_data = matroska.StreamSideData(sphere=(30, 10, -5))
    data = matroska.header(VideoTrack(64, 48, b"I420", Fraction(1, 10), Fraction(10)), side_data=side_data)
    for number in range(3):
        head, tail = matroska.block(Fraction(number, 10), Fraction(1, 10), 64 * 48 * 3 // 2)
        data += head + bytes([80 * number]) * (64 * 48 * 3 // 2) + tail
    return data


STILLS = [
    "-i @a.png -vf N -update 1 OUT.jpg",
    "-i @b.png -vf N -update 1 OUT.png",
    "-i @c.png -vf N -update 1 OUT.png",
    "-i @d.png -filter_complex [0:v]hflip,N[v] -map [v] -update 1 OUT.png",
    "-i @a.tiff -vf N -update 1 OUT.png",
    "-i @turned.jpg -vf N -update 1 OUT.png",
    "-framerate 5 -i @s%02d.png -vf N -c:v png OUT.mov",
]
OLDER = [
    f"-i @container.mkv -vf N {X264} OUT.mkv",
    "-i @container.mkv -vf N -c:v prores_ks OUT.mov",
    f"-i @sphere.mkv -vf N {X264} OUT.mkv",
    f"-i @stereo.mkv -vf N {X264} OUT.mp4",
]
NEWER = [
    "-i @a.webp -vf N -update 1 OUT.png",
    f"-i @a.png -vf N {X264} -pix_fmt yuv420p OUT.mp4",
    f"-i @sei.mkv -vf N {X264} OUT.mkv",
    "-i @sei.mkv -vf N -c:v libx265 -preset ultrafast -x265-params log-level=none OUT.mp4",
    f"-i @sei.mkv -filter_complex [0:v]N[v] -map [v] {X264} OUT.mp4",
    f"-i @sei.mkv -vf N {X264} -force_key_frames source OUT.mkv",
    f"-i @stereo.mkv -vf N {X264} OUT.mp4",
]


@pytest.mark.parametrize(
    ("release", "row"),
    [("5.1", row) for row in (*STILLS[:4], *OLDER)] + [("9", row) for row in (*STILLS, *NEWER)],
)
def test_side_data_are_those_of_ffmpeg(
    release: str, row: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ffmpeg = program(release)
    monkeypatch.setenv(binary.ENVIRONMENT_VARIABLE, ffmpeg)
    for name, place in ((PLAIN, tmp_path / "plain"), (OURS, tmp_path / "ours")):
        argv = ["-nostdin", "-v", "error", "-y", *placed(row.replace("N", name, 1), inputs, place)]
        assert (main(argv) if name == OURS else subprocess.run([ffmpeg, *argv], check=False).returncode) == 0
    plain, ours = (
        [(path.name, *_found(ffmpeg, path)) for path in sorted((tmp_path / folder).iterdir())]
        for folder in ("plain", "ours")
    )
    assert ours == plain


def test_hdr10_metadata_of_a_bitstream_are_kept_where_ffmpeg_drops_them(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(binary.ENVIRONMENT_VARIABLE, program("5.1"))
    assert (
        main(["-v", "error", "-i", str(inputs / "sei.mkv"), "-vf", OURS, "-c:v", "ffv1", str(tmp_path / "o.mkv")]) == 0
    )
    result = " ".join(_found(program("5.1"), tmp_path / "o.mkv"))
    assert "MaxCLL=1000, MaxFALL=400" in result
    assert "r(0.6800,0.3200) g(0.2650,0.6900)" in result


def test_hdr10_metadata_come_through_a_farm(inputs: Path, tmp_path: Path) -> None:
    job, out = str(tmp_path / "job"), tmp_path / "out.mkv"
    assert main(["farm", "plan", job, "--", "-i", str(inputs / "sei.mkv"), "-vf", OURS, *X264.split(), str(out)]) == 0
    assert main(["farm", "work", job]) == 0
    assert main(["farm", "merge", job]) == 0
    assert "MaxCLL=1000, MaxFALL=400" in " ".join(_found(binary.find_binary().path, out))


def _found(ffmpeg: str, path: Path) -> Iterator[str]:
    """What FFmpeg says of the side data of a file's streams and of each of its frames; PNG's chunks themselves."""
    arguments = [
        "-hide_banner",
        "-nostdin",
        "-noautorotate",
        "-i",
        str(path),
        "-vf",
        "showinfo=checksum=0",
        "-f",
        "null",
        "-",
    ]
    log = subprocess.run([ffmpeg, *arguments], capture_output=True, text=True, errors="replace", check=True).stderr
    streams, _, frames = log.partition("Stream mapping")
    for line in [*streams.partition("Side data:")[2].splitlines(), *re.findall(r"(?:side data -|\bn:) .*", frames)]:
        if line.startswith("n:"):
            yield "frame"
        elif line.strip() and not _BY_ENCODERS.search(line):
            yield line.strip()
    data = path.read_bytes() if path.suffix == ".png" else b""
    for chunk in _CHUNKS.finditer(data):
        yield data[chunk.start() : chunk.end() + int.from_bytes(data[chunk.start() : chunk.start() + 4])].hex()
