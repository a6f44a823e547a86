"""`denoise`, `steady` and `sharpen` at every entry: the same pictures, on farms too, and a part of a farm's recipe."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg as bindings
import pytest

from ffmpeg_filter import fluent
from ffmpeg_filter.command.filter_options import FilterOptions
from ffmpeg_filter.farm.job_context import model_checksum
from ffmpeg_filter.frames import upscale_frames
from ffmpeg_filter.media.av_frames import to_raw_frame
from ffmpeg_filter.upscale.stream import upscale
from tests.ffmpeg_filter.clips import filtered, raws
from tests.ffmpeg_filter.farms import farm, farmed
from tests.ffmpeg_filter.files import alike, command, decoded, ffadcvsr, ffmpeg, surroundings
from tests.plugin.clips import moving
from tests.restoring import write_pair
from vsadcvsr import blending, calibration, steady

assert fluent.adcvsr, "adds `adcvsr` to the streams of ffmpeg-python"
LENGTH = 9


@dataclass(frozen=True)
class Case:
    """An option, and the model that it is for."""

    model: dict[str, Any]
    option: dict[str, float]

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of Python's entries."""
        return {**self.model, **self.option}

    @property
    def words(self) -> str:
        """Those of the filter in command lines."""
        return ":".join(f"{name}={value}" for name, value in self.arguments.items())


CASES = {
    "denoise": Case({"model": "own.onnx", "device": "cpu"}, {"denoise": 0.5}),
    "steady": Case({"model": "nearest"}, {"steady": 1}),
    "half steady": Case({"model": "nearest"}, {"steady": 0.5}),
    "steady video network": Case({"model": "own.onnx", "device": "cpu"}, {"steady": 0.5}),
    "sharpen": Case({"model": "nearest"}, {"sharpen": 1}),
    "sharpen video network": Case({"model": "own.onnx", "device": "cpu"}, {"sharpen": 0.5}),
    "all": Case({"model": "own.onnx", "device": "cpu"}, {"denoise": 0.5, "steady": 0.5, "sharpen": 0.5}),
}


@pytest.fixture(autouse=True)
def sources(in_tmp_path: Path) -> None:
    """A folder with the model `own.onnx` and the source `in.mkv`, which has a cut."""
    write_pair(Path())
    sources = "-f lavfi -i testsrc2=s=48x32:r=25:d=0.2 -f lavfi -i mandelbrot=s=48x32:r=25"
    scenes = "[0]format=yuv444p,setsar=1[a];[1]format=yuv444p,setsar=1[b];[a][b]concat"
    ffmpeg(f"{sources} -filter_complex {scenes} -frames:v {LENGTH} -pix_fmt yuv444p -c:v ffv1 in.mkv")


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    chosen: Case = request.param
    return chosen


@pytest.fixture
def wanted(case: Case) -> Path:
    """What `ffadcvsr` makes."""
    assert ffadcvsr(f"-i in.mkv -vf adcvsr={case.words} -c:v ffv1 wanted.mkv") == 0
    return Path("wanted.mkv")


def test_each_option_changes_the_pictures(case: Case, wanted: Path) -> None:
    assert ffadcvsr(f"-i in.mkv -vf adcvsr={Case(case.model, {}).words} -c:v ffv1 plain.mkv") == 0
    assert not alike(wanted, Path("plain.mkv"))


def test_pyav_makes_the_pictures_of_ffadcvsr(case: Case, wanted: Path) -> None:
    output = upscale_frames(decoded(Path("in.mkv")), **case.arguments)
    for ours, theirs in zip(output, decoded(wanted), strict=True):
        assert all((a == b).all() for a, b in zip(to_raw_frame(ours).planes, to_raw_frame(theirs).planes, strict=True))


def test_pyav_makes_the_pictures_of_the_filter(case: Case) -> None:
    clip = moving(length=LENGTH)
    ours = list(upscale(raws(clip), **case.arguments))
    for first, second in zip(ours, filtered(clip, **case.arguments), strict=True):
        assert all((a == b).all() for a, b in zip(first.planes, second.planes, strict=True))


def test_a_pipe_of_y4m_makes_the_pictures_of_ffadcvsr(case: Case, wanted: Path) -> None:
    ffmpeg("-i in.mkv in.y4m")
    done = subprocess.run(
        command(f"y4m {case.words}"), input=Path("in.y4m").read_bytes(), env=surroundings(),
        capture_output=True, check=True,
    )  # fmt: skip
    Path("out.y4m").write_bytes(done.stdout)
    assert alike(Path("out.y4m"), wanted)


def test_ffmpeg_python_makes_the_pictures_of_ffadcvsr(case: Case, wanted: Path) -> None:
    stream = bindings.input("in.mkv").adcvsr(**case.arguments)
    assert ffadcvsr(" ".join(stream.output("out.mkv", vcodec="ffv1").get_args())) == 0
    assert alike(Path("out.mkv"), wanted)


def test_a_farm_makes_the_pictures_of_ffadcvsr(case: Case, wanted: Path) -> None:
    farmed(Path("job"), f"-i in.mkv -vf adcvsr={case.words} -c:v ffv1 many.mkv", seconds="0.1")
    assert alike(Path("many.mkv"), wanted)


def test_a_worker_with_other_restoring_weights_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = "--chunk-seconds 0.1 -- -i in.mkv -vf adcvsr=own.onnx:denoise=.5:device=cpu -c:v ffv1 many.mkv"
    assert farm("plan", Path("job"), arguments) == 0
    shutil.copy("own.safetensors", "own-restore.safetensors")
    capfd.readouterr()
    assert farm("work", Path("job")) != 0
    assert "model is" in capfd.readouterr().err


def test_a_recipe_names_the_restoring_weights_where_they_count() -> None:
    plain, half = (
        model_checksum(FilterOptions(model="own.onnx")),
        model_checksum(FilterOptions(model="own.onnx", denoise=0.5)),
    )
    assert half.split()[0] == plain
    assert len(half.split()) == 2
    blending.restoring_path(Path("own.onnx")).unlink()
    assert model_checksum(FilterOptions(model="own.onnx")) == plain
    calibration.write(Path("own.onnx"), None, {"stem": (0, 1)})
    assert (
        model_checksum(FilterOptions(model="own.onnx")).split()[0]
        == plain
        != model_checksum(FilterOptions(model="own.onnx"))
    )


def test_a_worker_with_another_opencv_is_refused(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = "--chunk-seconds 0.1 -- -i in.mkv -vf adcvsr=nearest:steady=1 -c:v ffv1 many.mkv"
    assert farm("plan", Path("job"), arguments) == 0
    monkeypatch.setattr(steady, "opencv_version", lambda: "1.0")
    capfd.readouterr()
    assert farm("work", Path("job")) != 0
    assert "opencv is 1.0 on this machine" in capfd.readouterr().err
    assert model_checksum(FilterOptions(model="nearest", steady=1)) == "nearest"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("nearest:denoise=.5", "model 'nearest' has no restoring weights; leave denoise at 0"),
        ("own.onnx:denoise=7", "denoise is 7.0, allowed: 0 (faithful) to 1 (restoring)"),
        ("own.onnx:denoise=much", "denoise is 'much', allowed: <float>"),
        ("nearest:steady=7", "steady is 7.0, allowed: 0 (each frame alone) to 1 (the mean along motion)"),
        ("nearest:sharpen=3", "sharpen is 3.0, allowed: 0 (the network's own sharpness) to 2 (most)"),
        ("nearest:steady=much", "steady is 'much', allowed: <float>"),
    ],
)
def test_what_cannot_be_is_one_line(options: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert ffadcvsr(f"-v error -i in.mkv -vf adcvsr={options} -c:v ffv1 out.mkv") != 0
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line
    assert not Path("out.mkv").exists()
