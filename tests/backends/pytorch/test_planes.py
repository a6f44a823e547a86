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
from vsadcvsr.backends.pytorch.backend import Eager, Ways
from vsadcvsr.backends.pytorch.cuda_graphs import Step
from vsadcvsr.backends.pytorch.planes import PlaneMaker, PlaneMakers
from vsadcvsr.backends.pytorch.stream import Machine, Stream
from vsadcvsr.backends.pytorch.transfer import Bus, Direct, Pinned
from vsadcvsr.color import Encoding, Finish
from vsadcvsr.engine import Engine, Source
from vsadcvsr.engine.runner import Manner
from vsadcvsr.errors import BackendError, UsageError
from vsadcvsr.nets.step_runner import Keeping, Made, running
from vsadcvsr.nets.weights_file import Student
from vsadcvsr.output import Planes
from vsadcvsr.spec import Array

BITS8 = Encoding(family="YUV", bits=8, subsampling=(1, 1), matrix=1)
BITS10 = Encoding(family="YUV", bits=10, subsampling=(1, 1), matrix=1)


def finish(encoding: Encoding = BITS8, **manner: float | str) -> Finish:
    return Finish(encoding=encoding, height=SIZE[0] - 1, width=SIZE[1] - 3, **manner)  # type: ignore[arg-type]


def fed(net: Student, bus: Bus, finishes: Sequence[Finish | None], *, late: bool) -> list[list[Array] | Planes]:
    """What a stream of frames gives that asks for these, and all its pictures."""
    finishes = [*finishes, *[None] * (net.spec.lookahead + late)]
    machine = Machine(
        Step(running(net, SIZE, 1, torch.float32, Keeping()), SIZE, CPU, None), bus, PlaneMakers(CPU, None)
    )
    stream = Stream(lambda _: machine, behind=net.spec.lookahead, late=late, alarm=None)
    frames = np.random.default_rng(0).random((len(finishes), 1, 3, *SIZE), np.float32)
    with torch.inference_mode():
        return [
            stream.feed_one(frame, np.full(1, float(n > 0), np.float32), one)
            for n, (frame, one) in enumerate(zip(frames, finishes, strict=True))
        ]


def same(one: list[Array] | Planes, other: list[Array] | Planes) -> bool:
    if isinstance(one, Planes) != isinstance(other, Planes):
        return False
    pairs = zip(*(made.planes if isinstance(made, Planes) else made for made in (one, other)), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> Bus:
    """The bus of a GPU, whose queues are done at once."""
    monkeypatch.setattr(transfer, "_pinned", lambda like, type: torch.empty(like.shape, dtype=type))
    monkeypatch.setattr(transfer, "_event", Event)
    monkeypatch.setattr("torch.cuda.stream", lambda _: nullcontext())
    return Pinned(Queue(), Queue(), torch.float32)  # type: ignore[arg-type]


ASKED = [finish(), None, finish(BITS10, strength=0.5), finish(color_fix="frame"), finish(), None]


@pytest.mark.parametrize("make", MAKERS)
def test_each_picture_is_finished_as_its_own_frame_asked(make: type[Student]) -> None:
    net = make()
    made, behind = fed(net, Direct(), ASKED, late=False), net.spec.lookahead
    for n, asked in enumerate(ASKED):
        alone: list[Finish | None] = [None] * len(ASKED)
        alone[n] = asked
        assert same(made[n + behind], fed(net, Direct(), alone, late=False)[n + behind])
        assert isinstance(made[n + behind], Planes) == (asked is not None)


@pytest.mark.parametrize("make", MAKERS)
def test_planes_through_pinned_memory_one_step_later_are_the_same(make: type[Student], pinned: Bus) -> None:
    net = make()
    plain, late = fed(net, Direct(), ASKED, late=False), fed(net, pinned, ASKED, late=True)
    assert all(same(*pair) for pair in zip(plain, late[1:], strict=True))
    assert sum(isinstance(one, Planes) for one in late) == sum(one is not None for one in ASKED)


def test_a_way_is_recorded_where_pictures_lie_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.CUDAGraph", Recording)
    monkeypatch.setattr("torch.cuda.graph", recording)
    plain = PlaneMaker._planes

    def noted(self: PlaneMaker, made: Made) -> Made:
        planes = plain(self, made)
        if Recording.current is not None:
            Recording.current.again, Recording.current.made = lambda: plain(self, made), planes
        return planes

    monkeypatch.setattr(PlaneMaker, "_planes", noted)
    asked = finish(strength=0.5)
    recorded, wanted = PlaneMaker(asked, CPU, Shared()), PlaneMaker(asked, CPU)  # type: ignore[arg-type]
    still = (torch.zeros(1, 3, 4 * SIZE[0], 4 * SIZE[1]),)
    for _ in range(4):
        still[0].uniform_()
        recorded.source.uniform_()
        wanted.source.copy_(recorded.source)
        for one, other in zip(recorded.run(still, still=True), wanted.run(still), strict=True):
            assert torch.equal(one, other)
    assert recorded._recorded is not None
    assert getattr(recorded._recorded[1]._recording, "replays", 0) == 3


def test_clips_whose_colours_change_all_the_time_take_no_more_memory() -> None:
    makers = PlaneMakers(CPU, None)
    for bits in (8, 9, 10, 11, 12, 13, 14, 15, 16):
        makers.of(finish(Encoding(family="GRAY", bits=bits, matrix=1)))
    assert len(makers._made) == 1
    assert makers.of(finish()) is makers.of(finish())


def damaged() -> Student:
    net = student(SHALLOW)
    next(net.parameters()).data.fill_(float("nan"))
    return net


def test_planes_of_what_is_no_number_are_an_error() -> None:
    engine = Engine(Eager.of(damaged(), CPU, "fp32", Ways(planes=True)))
    sources = [Source(frame, encoding=BITS8) for frame in clip_of(2, set(), SIZE)]
    with pytest.raises(BackendError, match="gave NaN"):
        list(engine.pictures(sources))


def test_engines_make_planes_where_the_backend_does() -> None:
    able, unable = (Engine(Eager.of(compact(), CPU, "fp32", Ways(planes=planes))) for planes in (True, False))
    odd = Encoding(family="YUV", bits=8, matrix=14)
    answers = [engine.finishes(*SIZE, asked) for engine in (able, unable) for asked in (BITS8, odd)]
    assert answers == [True, False, False, False]
    for engine, kind in ((able, Planes), (unable, tuple)):
        (made,) = engine.pictures([Source(clip_of(1, set(), SIZE)[0], encoding=BITS8)])
        assert isinstance(made, kind)
    assert not isinstance(made, Planes)


def test_numbers_are_not_given_where_planes_are_asked_for() -> None:
    engine = Engine(Eager.of(compact(), CPU, "fp32", Ways(planes=True)), Manner())
    with pytest.raises(UsageError, match="encoding"):
        list(engine.stream([Source(clip_of(1, set(), SIZE)[0], encoding=BITS8)]))


@pytest.mark.parametrize(("value", "planes"), [(None, True), ("1", True), ("0", False)])
def test_planes_from_a_gpu_can_be_turned_off(value: str | None, planes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: SimpleNamespace(total_memory=1 << 33))
    if value is not None:
        monkeypatch.setenv("ADCVSR_CUDA_PLANES", value)
    usual = Ways.usual(torch.device("cuda", 0))
    assert (usual.planes, usual.graphs, usual.late) == (planes, True, True)
    assert not Ways.usual(CPU).planes
