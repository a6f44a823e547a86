"""Methods of ours: opened once, and what is counted of their time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evaluate.waves import moving
from vsadcvsr.engine import Engine
from vsadcvsr.evaluate.upscalers import Timed, model_named


def test_a_model_is_opened_once_and_warmed_up_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, begun, real_open, real_stream = [], [], Engine.open, Engine.stream

    def open_counted(*given: Any, **named: Any) -> Engine:
        opened.append(given)
        return real_open(*given, **named)

    def stream_counted(engine: Engine, sources: Any) -> Any:
        frames = list(sources)
        begun.append(len(frames))
        return real_stream(engine, frames)

    monkeypatch.setattr(Engine, "open", open_counted)
    monkeypatch.setattr(Engine, "stream", stream_counted)
    upscale = model_named("nearest")
    for clip in (moving(3, 12, 16), moving(2, 12, 16), moving(2, 8, 16)):
        assert len(list(upscale(clip))) == len(clip)
    assert len(opened) == 1
    assert begun == [1, 3, 2, 1, 2]


def test_time_is_that_of_the_frames_alone() -> None:
    timed = Timed(iter([(frame, 0.5) for frame in moving(3, 8, 8)]))
    assert timed.seconds == 0
    assert len(list(timed)) == 3
    assert timed.seconds == 1.5
