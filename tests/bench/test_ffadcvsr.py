"""The filter in an FFmpeg command as a part of the benchmark."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vsadcvsr.bench.components import BenchOptions
from vsadcvsr.bench.ffadcvsr import time_command
from vsadcvsr.errors import BackendError
from vsadcvsr.weights import store


def test_a_frame_takes_some_time_and_no_second() -> None:
    assert 0 < time_command(BenchOptions(model="nearest", width=64, height=48), 40) < 1000


def test_a_model_with_any_name_gets_through_the_graph(tmp_path: Path) -> None:
    model = tmp_path / "it's [a:b], c;d\\e.onnx"
    shutil.copy(store.find("fast", (".onnx",)), model)
    assert time_command(BenchOptions(model=str(model), backend="ort", width=64, height=48), 4) > 0


def test_what_the_command_says_is_why_it_is_left_out() -> None:
    with pytest.raises(BackendError, match="nothing-of-that-name"):
        time_command(BenchOptions(model="nothing-of-that-name", width=64, height=48), 8)
