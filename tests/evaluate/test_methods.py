"""Methods of ours: opened once, and what is counted of their time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluate.waves import moving
from tests.restoring import write_pair
from vsadcvsr.engine import Engine, InputFrame
from vsadcvsr.errors import UsageError
from vsadcvsr.evaluate.methods import TimedFrames, open_model


def test_a_model_is_opened_once_and_warmed_up_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, begun, real_open, real_stream = [], [], Engine.open, Engine.stream

    def open_counted(*value: Any, **named: Any) -> Engine:
        opened.append(value)
        return real_open(*value, **named)

    def stream_counted(engine: Engine, sources: Any) -> Any:
        frames = list(sources)
        begun.append(len(frames))
        return real_stream(engine, frames)

    monkeypatch.setattr(Engine, "open", open_counted)
    monkeypatch.setattr(Engine, "stream", stream_counted)
    upscale = open_model("nearest")
    for clip in (moving(3, 12, 16), moving(2, 12, 16), moving(2, 8, 16)):
        assert len(list(upscale(clip))) == len(clip)
    assert len(opened) == 1
    assert begun == [1, 3, 2, 1, 2]


def test_a_name_may_have_a_denoise_behind_it(tmp_path: Path) -> None:
    model, clip = write_pair(tmp_path), moving(3, 12, 16)
    half = list(open_model(f"{model}#denoise=.5#no-temporal", backend="ort")(clip))
    wanted = Engine.open(model, denoise=0.5, backend="ort").stream(InputFrame(frame, cut=True) for frame in clip)
    assert all(map(np.array_equal, half, wanted))
    for word in ("much", "2"):
        with pytest.raises(UsageError, match=r"denoise is .*, allowed: 0 .* to 1"):
            list(open_model(f"{model}#denoise={word}")(clip))


def test_time_is_that_of_the_frames_alone() -> None:
    timed = TimedFrames(iter([(frame, 0.5) for frame in moving(3, 8, 8)]))
    assert timed.seconds == 0
    assert len(list(timed)) == 3
    assert timed.seconds == 1.5
