"""The clock of the bench, and the command on a model that costs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vsadcvsr.bench import __main__ as bench
from vsadcvsr.bench.components import BenchOptions, noise, open_engine, step_action, stream_action
from vsadcvsr.bench.machine import this_machine
from vsadcvsr.bench.timing import Timing, compare, measure
from vsadcvsr.engine import InputFrame
from vsadcvsr.spec import Array


def test_a_timing_is_a_median_and_a_distance_of_quartiles() -> None:
    timing = Timing.of([1, 2, 3, 4, 100])
    assert (timing.median, timing.spread, timing.count) == (3, 2, 5)
    assert timing.rate == pytest.approx(1e3 / 3)


def test_burning_in_does_not_count() -> None:
    calls = 0

    def act() -> None:
        nonlocal calls
        calls += 1

    assert measure(act, rounds=5, burn_in=2).count == 5
    assert calls == 7


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets that many seconds pass on the clock, and none in the world."""
    now = [100.0]
    monkeypatch.setattr("vsadcvsr.bench.timing.time", SimpleNamespace(perf_counter=lambda: now[0]))

    def pause(seconds: float) -> None:
        now[0] += seconds

    return pause


def test_time_is_told_for_each_frame(pause: Callable[[float], None]) -> None:
    timing = measure(lambda: pause(0.02), rounds=2, frames=4, burn_in=0)
    assert timing.median == pytest.approx(5)


def test_two_that_are_compared_take_turns() -> None:
    order: list[str] = []
    compare(lambda: order.append("one"), lambda: order.append("other"), rounds=2)
    assert order == ["one", "other"] * 5


def test_the_ratio_is_of_the_first_to_the_second(pause: Callable[[float], None]) -> None:
    assert compare(lambda: pause(0.02), lambda: pause(0.002), rounds=3)[2] == pytest.approx(10)


def test_the_machine_is_plain_data() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert "numpy" in machine.packages


def test_the_state_of_the_step_goes_on_from_call_to_call(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = BenchOptions(model="nearest", width=17, height=9)
    backend, _ = open_engine(choice)
    states = list[object]()

    def step(frame: Array, link: Array, state: object) -> tuple[Array, object]:
        states.append(state)
        return frame, len(states)

    monkeypatch.setattr(backend, "start", lambda *_: 0)
    monkeypatch.setattr(backend, "step", step)
    act = step_action(backend, noise(choice, 3))
    act()
    act()
    assert states == [0, 1, 2, 3, 4, 5]


def test_the_stream_goes_on_from_call_to_call(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = BenchOptions(model="nearest", width=17, height=9)
    _, engine = open_engine(choice)
    frames, streamed = noise(choice, 3), list[Array]()

    def stream_output(sources: Iterable[InputFrame]) -> Iterator[Array]:
        for source in sources:
            streamed.append(source.pixels)
            yield source.pixels

    monkeypatch.setattr(engine, "stream_output", stream_output)
    act = stream_action(engine, frames)
    act()
    act()
    np.testing.assert_array_equal(streamed, [*frames, *frames])


def test_the_command_writes_the_parts_and_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "host.py"
    broken.write_text("raise SystemExit('ImportError: no host here')")
    monkeypatch.setattr(bench, "HOST", broken)
    arguments = ["--model", "nearest", "--size", "32x18", "--count", "2", "--rounds", "2"]
    assert bench.main([*arguments, "--json", str(tmp_path / "found.json")]) == 0
    data = json.loads((tmp_path / "found.json").read_text())
    assert set(data["parts"]) == {
        "model step", "engine around it", "cut detector", "reference step", "ffadcvsr",
    }  # fmt: skip
    assert data["machine"]["cores"] >= 1
    assert "left out: VapourSynth: no host here" in capsys.readouterr().out


def test_the_scale_picks_the_network() -> None:
    backend, engine = open_engine(BenchOptions(model="nearest-scales", scale=3, width=16, height=8))
    assert (backend.spec.scale, engine.scale) == (3, 3)


def test_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--model", "nearets"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_size_that_is_none_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--model", "nearest", "--size", "480"]) == 2
    assert capsys.readouterr().err == "bench: --size is '480', allowed: WIDTHxHEIGHT, such as 480x270\n"
