"""The ffmpeg-python operator: command lines as ffmpeg-python builds them, for ffadcvsr."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import ffmpeg
import pytest

from ffmpeg_filter import fluent
from tests.ffmpeg_filter.farms import source
from tests.ffmpeg_filter.files import FFMPEG
from vsadcvsr.errors import BackendError


def test_the_operator_is_a_filter_of_the_graph() -> None:
    out = ffmpeg.input("a.mp4").adcvsr(scale=2, model="fast").filter("format", "yuv420p").output("b.mp4")
    graph = "[0]adcvsr=model=fast:scale=2[s0];[s0]format=yuv420p[s1]"
    assert out.compile(cmd="ffadcvsr") == ["ffadcvsr", "-i", "a.mp4", "-filter_complex", graph, "-map", "[s1]", "b.mp4"]


def test_without_options_it_is_the_name_alone() -> None:
    assert "[0:v]adcvsr[s0]" in ffmpeg.input("a.mp4").video.adcvsr().output("b.mp4").get_args()


@pytest.mark.parametrize("tile", ["128x64", (128, 64), [128, 64]])
def test_a_tile_is_a_pair_or_its_text(tile: object) -> None:
    assert "[0:v]adcvsr=tile=128x64[s0]" in ffmpeg.input("a.mp4").video.adcvsr(tile=tile).output("b.mp4").get_args()


def test_running_calls_ffadcvsr_with_the_arguments_of_run(monkeypatch: pytest.MonkeyPatch) -> None:
    out = ffmpeg.input("a.mp4").adcvsr().output("b.mp4")
    monkeypatch.setattr(ffmpeg, "run", lambda stream, **arguments: (stream, arguments))
    stream, arguments = out.run_adcvsr(quiet=True)
    assert (stream, Path(arguments.pop("cmd")).stem, arguments) == (out, "ffadcvsr", {"quiet": True})
    assert out.run_adcvsr(cmd="mine") == (out, {"cmd": "mine"})


def test_mistakes_are_errors_of_ffmpeg_python_with_our_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("ADCVSR_FFMPEG", FFMPEG)
    clip = str(source(tmp_path / "[Grp] a:b's.mkv", "-c:v ffv1"))
    before = Path(clip).read_bytes()
    result = ffmpeg.input(clip).video.adcvsr(model="nearest", scale=2)
    with pytest.raises(ffmpeg.Error) as error:
        result.output(clip).overwrite_output().run_adcvsr(quiet=True)
    assert b"is the same file as" in error.value.stderr
    assert len(error.value.stderr.splitlines()) == 1
    assert Path(clip).read_bytes() == before
    out, _ = result.output("pipe:", format="rawvideo", pix_fmt="gray").run_adcvsr(quiet=True)
    assert len(out) == 30 * 128 * 96


def test_another_package_of_the_same_name_is_named_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ffmpeg.nodes", None)
    with pytest.raises(BackendError, match=r"`pip install 'vsadcvsr\[ffmpeg\]'`.*`pip uninstall typed-ffmpeg`"):
        importlib.reload(fluent)
