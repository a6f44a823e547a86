"""Planes on their way: late, beside the source frames that they need, through pinned memory, recorded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.backends.pytorch.test_backend import CPU, MAKERS, SIZE, Event, Queue, Recording, Shared, compact, recording
from tests.engine.reference import clip_of
from tests.nets.paper.small_paper import SHALLOW, student
from vsadcvsr.backends.pytorch import transfer
from vsadcvsr.backends.pytorch.backend import TorchBackend, TorchOptions
from vsadcvsr.backends.pytorch.cuda_graphs import CapturedStep
from vsadcvsr.backends.pytorch.planes import PlaneConverter, PlaneConverters
from vsadcvsr.backends.pytorch.stream import StepExecutor, TorchStream
from vsadcvsr.backends.pytorch.transfer import DirectTransfer, PinnedTransfer, Transfer
from vsadcvsr.color import ColorFormat, OutputFormat
from vsadcvsr.engine import Engine, InputFrame
from vsadcvsr.engine.runner import EngineOptions
from vsadcvsr.errors import BackendError, UsageError
from vsadcvsr.nets.step_runner import StateOptions, StepOutput, step_runner
from vsadcvsr.nets.weights_file import Student
from vsadcvsr.output import Planes
from vsadcvsr.spec import Array

BITS8 = ColorFormat(family="YUV", bits=8, subsampling=(1, 1), matrix=1)
BITS10 = ColorFormat(family="YUV", bits=10, subsampling=(1, 1), matrix=1)


def finish(encoding: ColorFormat = BITS8, **finishing: float | str) -> OutputFormat:
    size = {"height": SIZE[0] - 1, "width": SIZE[1] - 3}
    return OutputFormat(color_format=encoding, scale=4, **size, **finishing)  # type: ignore[arg-type]


def fed(
    net: Student, bus: Transfer, finishes: Sequence[OutputFormat | None], *, late: bool
) -> list[list[Array] | Planes]:
    """What a stream of frames gives that asks for these, and all its pictures."""
    finishes = [*finishes, *[None] * (net.spec.lookahead + late)]
    machine = StepExecutor(
        CapturedStep(step_runner(net, SIZE, 1, torch.float32, StateOptions()), SIZE, CPU, None),
        bus,
        PlaneConverters(CPU, None),
    )
    stream = TorchStream(lambda _: machine, delay=net.spec.lookahead, pipelined=late, on_nonfinite=None)
    frames = np.random.default_rng(0).random((len(finishes), 1, 3, *SIZE), np.float32)
    with torch.inference_mode():
        return [
            stream.planar_step(frame, np.full(1, float(n > 0), np.float32), finish_options)
            for n, (frame, finish_options) in enumerate(zip(frames, finishes, strict=True))
        ]


def same(first: list[Array] | Planes, second: list[Array] | Planes) -> bool:
    if isinstance(first, Planes) != isinstance(second, Planes):
        return False
    pairs = zip(*(output.planes if isinstance(output, Planes) else output for output in (first, second)), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> Transfer:
    """The bus of a GPU, whose queues are done at once."""
    monkeypatch.setattr(transfer, "_pinned_like", lambda like, type: torch.empty(like.shape, dtype=type))
    monkeypatch.setattr(transfer, "_event", Event)
    monkeypatch.setattr("torch.cuda.stream", lambda _: nullcontext())
    return PinnedTransfer(Queue(), Queue(), torch.float32)  # type: ignore[arg-type]


ASKED = [finish(), None, finish(BITS10, strength=0.5), finish(color_fix="frame"), finish(), None]


@pytest.mark.parametrize("make", MAKERS)
def test_each_picture_is_finished_as_its_own_frame_asked(make: type[Student]) -> None:
    net = make()
    result, behind = fed(net, DirectTransfer(), ASKED, late=False), net.spec.lookahead
    for n, requested in enumerate(ASKED):
        alone: list[OutputFormat | None] = [None] * len(ASKED)
        alone[n] = requested
        assert same(result[n + behind], fed(net, DirectTransfer(), alone, late=False)[n + behind])
        assert isinstance(result[n + behind], Planes) == (requested is not None)


@pytest.mark.parametrize("make", MAKERS)
def test_planes_through_pinned_memory_one_step_later_are_the_same(make: type[Student], pinned: Transfer) -> None:
    net = make()
    plain, late = fed(net, DirectTransfer(), ASKED, late=False), fed(net, pinned, ASKED, late=True)
    assert all(same(*pair) for pair in zip(plain, late[1:], strict=True))
    assert sum(isinstance(item, Planes) for item in late) == sum(item is not None for item in ASKED)


def test_a_way_is_recorded_where_pictures_lie_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.CUDAGraph", Recording)
    monkeypatch.setattr("torch.cuda.graph", recording)
    plain = PlaneConverter._planes

    def noted(self: PlaneConverter, made: StepOutput) -> StepOutput:
        planes = plain(self, made)
        if Recording.current is not None:
            Recording.current.again, Recording.current.made = lambda: plain(self, made), planes
        return planes

    monkeypatch.setattr(PlaneConverter, "_planes", noted)
    options = finish(strength=0.5)
    recorded, wanted = PlaneConverter(options, CPU, Shared()), PlaneConverter(options, CPU)  # type: ignore[arg-type]
    still = (torch.zeros(1, 3, 4 * SIZE[0], 4 * SIZE[1]),)
    for _ in range(4):
        still[0].uniform_()
        recorded.source.uniform_()
        wanted.source.copy_(recorded.source)
        for first, second in zip(recorded.run(still, is_static=True), wanted.run(still), strict=True):
            assert torch.equal(first, second)
    assert recorded._captured is not None
    assert getattr(recorded._captured[1]._graph, "replays", 0) == 3


def test_clips_whose_colours_change_all_the_time_take_no_more_memory() -> None:
    makers = PlaneConverters(CPU, None)
    for bits in (8, 9, 10, 11, 12, 13, 14, 15, 16):
        makers.of(finish(ColorFormat(family="GRAY", bits=bits, matrix=1)))
    assert len(makers._converters) == 1
    assert makers.of(finish()) is makers.of(finish())


def damaged() -> Student:
    net = student(SHALLOW)
    next(net.parameters()).data.fill_(float("nan"))
    return net


def test_planes_of_what_is_no_number_are_an_error() -> None:
    engine = Engine(TorchBackend.from_network(damaged(), CPU, "fp32", TorchOptions(planar_output=True)))
    sources = [InputFrame(frame, color_format=BITS8) for frame in clip_of(2, set(), SIZE)]
    with pytest.raises(BackendError, match="gave NaN"):
        list(engine.stream_output(sources))


def test_engines_make_planes_where_the_backend_does() -> None:
    able, unable = (
        Engine(TorchBackend.from_network(compact(), CPU, "fp32", TorchOptions(planar_output=planes)))
        for planes in (True, False)
    )
    odd = ColorFormat(family="YUV", bits=8, matrix=14)
    answers = [engine.planar_output(*SIZE, color_format) for engine in (able, unable) for color_format in (BITS8, odd)]
    assert answers == [True, False, False, False]
    for engine, kind in ((able, Planes), (unable, tuple)):
        (output,) = engine.stream_output([InputFrame(clip_of(1, set(), SIZE)[0], color_format=BITS8)])
        assert isinstance(output, kind)
    assert not isinstance(output, Planes)


def test_numbers_are_not_given_where_planes_are_asked_for() -> None:
    engine = Engine(
        TorchBackend.from_network(compact(), CPU, "fp32", TorchOptions(planar_output=True)), EngineOptions()
    )
    with pytest.raises(UsageError, match="color_format"):
        list(engine.stream([InputFrame(clip_of(1, set(), SIZE)[0], color_format=BITS8)]))


@pytest.mark.parametrize(("value", "planes"), [(None, True), ("1", True), ("0", False)])
def test_planes_from_a_gpu_can_be_turned_off(value: str | None, planes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: SimpleNamespace(total_memory=1 << 33))
    if value is not None:
        monkeypatch.setenv("ADCVSR_CUDA_PLANES", value)
    usual = TorchOptions.for_device(torch.device("cuda", 0))
    assert (usual.planar_output, usual.cuda_graphs, usual.pipelined_output) == (planes, True, True)
    assert not TorchOptions.for_device(CPU).planar_output
