"""`steady` at every entry: the same pictures, on farms too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import ffmpeg as bindings
import pytest

from ffmpeg_filter import fluent
from ffmpeg_filter.command.filter_options import FilterOptions
from ffmpeg_filter.farm import job_context
from ffmpeg_filter.frames import upscale_frames
from ffmpeg_filter.media.av_frames import to_raw_frame
from ffmpeg_filter.upscale.stream import upscale
from tests.ffmpeg_filter.clips import filtered, raws
from tests.ffmpeg_filter.farms import farm, farmed
from tests.ffmpeg_filter.files import alike, command, decoded, ffadcvsr, ffmpeg, surroundings
from tests.plugin.clips import moving
from vsadcvsr import steady

assert fluent.adcvsr, "adds `adcvsr` to the streams of ffmpeg-python"
LENGTH = 9


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the source `in.mkv`, which has a cut."""
    monkeypatch.chdir(tmp_path)
    sources = "-f lavfi -i testsrc2=s=48x32:r=25:d=0.2 -f lavfi -i mandelbrot=s=48x32:r=25"
    scenes = "[0]format=yuv444p,setsar=1[a];[1]format=yuv444p,setsar=1[b];[a][b]concat"
    ffmpeg(f"{sources} -filter_complex {scenes} -frames:v {LENGTH} -pix_fmt yuv444p -c:v ffv1 in.mkv")


@pytest.fixture
def wanted() -> Path:
    """What `ffadcvsr` makes."""
    assert ffadcvsr("-i in.mkv -vf adcvsr=nearest:steady=1 -c:v ffv1 wanted.mkv") == 0
    return Path("wanted.mkv")


def test_it_changes_the_pictures(wanted: Path) -> None:
    assert ffadcvsr("-i in.mkv -vf adcvsr=nearest -c:v ffv1 plain.mkv") == 0
    assert not alike(wanted, Path("plain.mkv"))


def test_pyav_makes_the_pictures_of_ffadcvsr(wanted: Path) -> None:
    output = upscale_frames(decoded(Path("in.mkv")), model="nearest", steady=1)
    for ours, theirs in zip(output, decoded(wanted), strict=True):
        assert all((a == b).all() for a, b in zip(to_raw_frame(ours).planes, to_raw_frame(theirs).planes, strict=True))


def test_pyav_makes_the_pictures_of_the_filter() -> None:
    clip = moving(length=LENGTH)
    ours = list(upscale(raws(clip), model="nearest", steady=0.5))
    for first, second in zip(ours, filtered(clip, model="nearest", steady=0.5), strict=True):
        assert all((a == b).all() for a, b in zip(first.planes, second.planes, strict=True))


def test_a_pipe_of_y4m_makes_the_pictures_of_ffadcvsr(wanted: Path) -> None:
    ffmpeg("-i in.mkv in.y4m")
    done = subprocess.run(
        command("y4m model=nearest:steady=1"), input=Path("in.y4m").read_bytes(), env=surroundings(),
        capture_output=True, check=True,
    )  # fmt: skip
    Path("out.y4m").write_bytes(done.stdout)
    assert alike(Path("out.y4m"), wanted)


def test_ffmpeg_python_makes_the_pictures_of_ffadcvsr(wanted: Path) -> None:
    stream = bindings.input("in.mkv").adcvsr(model="nearest", steady=1)
    assert ffadcvsr(" ".join(stream.output("out.mkv", vcodec="ffv1").get_args())) == 0
    assert alike(Path("out.mkv"), wanted)


def test_a_farm_makes_the_pictures_of_ffadcvsr(wanted: Path) -> None:
    farmed(Path("job"), "-i in.mkv -vf adcvsr=nearest:steady=1 -c:v ffv1 many.mkv", seconds="0.1")
    assert alike(Path("many.mkv"), wanted)


def test_a_worker_with_another_opencv_is_refused(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = "--chunk-seconds 0.1 -- -i in.mkv -vf adcvsr=nearest:steady=1 -c:v ffv1 many.mkv"
    assert farm("plan", Path("job"), arguments) == 0
    monkeypatch.setattr(steady, "opencv_version", lambda: "1.0")
    capfd.readouterr()
    assert farm("work", Path("job")) != 0
    assert "opencv is 1.0 on this machine" in capfd.readouterr().err
    assert job_context.model_checksum(FilterOptions(model="nearest", steady=1)) == "nearest"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("nearest-temporal:steady=.5", "model 'nearest-temporal' uses neighbouring frames already; leave steady at 0"),
        ("nearest:steady=7", "steady is 7.0, allowed: 0 (each frame alone) to 1 (the mean along motion)"),
        ("nearest:steady=much", "steady is 'much', allowed: <float>"),
    ],
)
def test_what_cannot_be_is_one_line(options: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert ffadcvsr(f"-v error -i in.mkv -vf adcvsr={options} -c:v ffv1 out.mkv") != 0
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line
    assert not Path("out.mkv").exists()
