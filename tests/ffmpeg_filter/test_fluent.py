"""The ffmpeg-python operator: command lines as ffmpeg-python builds them, for ffadcvsr."""

from __future__ import annotations

import importlib
import sys

import ffmpeg
import pytest

from ffmpeg_filter import fluent
from vsadcvsr.errors import BackendError


def test_the_operator_is_a_filter_of_the_graph() -> None:
    out = ffmpeg.input("a.mp4").adcvsr(scale=2, model="fast").filter("format", "yuv420p").output("b.mp4")
    graph = "[0]adcvsr=model=fast:scale=2[s0];[s0]format=yuv420p[s1]"
    assert out.compile(cmd="ffadcvsr") == ["ffadcvsr", "-i", "a.mp4", "-filter_complex", graph, "-map", "[s1]", "b.mp4"]


def test_without_options_it_is_the_name_alone() -> None:
    assert "[0:v]adcvsr[s0]" in ffmpeg.input("a.mp4").video.adcvsr().output("b.mp4").get_args()


def test_running_calls_ffadcvsr_with_the_arguments_of_run(monkeypatch: pytest.MonkeyPatch) -> None:
    out = ffmpeg.input("a.mp4").adcvsr().output("b.mp4")
    monkeypatch.setattr(ffmpeg, "run", lambda stream, **arguments: (stream, arguments))
    assert out.run_adcvsr(quiet=True) == (out, {"cmd": "ffadcvsr", "quiet": True})


def test_another_package_of_the_same_name_is_told_apart_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ffmpeg.nodes", None)
    with pytest.raises(BackendError, match=r"`pip install 'vsadcvsr\[ffmpeg\]'`.*`pip uninstall typed-ffmpeg`"):
        importlib.reload(fluent)
