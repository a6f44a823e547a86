"""The torch backend beyond the contract: late pictures, steps taken again, recorded steps, planned memory."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.backends.test_contract import run
from tests.engine.reference import clip_of
from tests.nets.paper.small_paper import SHALLOW, student
from vsadcvsr.backends.pytorch import backend as backend_module
from vsadcvsr.backends.pytorch import transfer
from vsadcvsr.backends.pytorch.backend import TorchBackend, TorchOptions
from vsadcvsr.backends.pytorch.cuda_graphs import CapturedStep
from vsadcvsr.backends.pytorch.stream import StepExecutor
from vsadcvsr.backends.pytorch.transfer import PendingDownload, PinnedTransfer
from vsadcvsr.nets.compact import CompactDims, CompactStudent
from vsadcvsr.nets.step_runner import StateOptions, StepOutput, prepare, step_runner
from vsadcvsr.nets.weights_file import Student
from vsadcvsr.output import to_rgb
from vsadcvsr.spec import Array

CPU = torch.device("cpu")
SIZE = (4, 8)


def compact() -> CompactStudent:
    torch.manual_seed(3)
    net = CompactStudent(CompactDims(name="tiny", width=8, quarter_width=8, blocks=1, refine=1, sites=(0,))).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net


MAKERS: list[Callable[[], Student]] = [lambda: student(SHALLOW), compact]


def made_by(
    net: Student, ways: TorchOptions, precision: str = "fp32", *, count: int = 1, cuts: set[int] | None = None
) -> Array:
    torch.set_num_threads(1)
    return run(
        TorchBackend.from_network(net, CPU, precision, ways),
        clip_of(6, cuts or set(), SIZE),
        cuts or set(),
        count=count,
    )


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    "ways",
    [
        TorchOptions(pipelined_output=True),
        TorchOptions(offload="lines"),
        TorchOptions(pipelined_output=True, offload="all"),
    ],
    ids=str,
)
def test_no_way_of_taking_steps_changes_a_bit(make: Callable[[], Student], count: int, ways: TorchOptions) -> None:
    plain = made_by(make(), TorchOptions(), count=count, cuts={2})
    np.testing.assert_array_equal(made_by(make(), ways, count=count, cuts={2}), plain)


def test_pipelined_output_is_part_of_the_lookahead() -> None:
    assert (
        TorchBackend.from_network(compact(), CPU, "fp32", TorchOptions(pipelined_output=True)).spec.lookahead
        == compact().spec.lookahead + 1
    )


def too_strong() -> Student:
    """A network with numbers beyond fp16 inside of its first block, which the next normalisation takes back."""
    net = student(SHALLOW)
    with torch.no_grad():
        net.get_parameter("unet.down.0.layers.0.resnet.conv1.weight").mul_(1.6e5)
    return net


def test_a_step_that_overflows_in_fp16_is_taken_again_and_counts_once(caplog: pytest.LogCaptureFixture) -> None:
    wanted = made_by(too_strong(), TorchOptions())
    with caplog.at_level(logging.WARNING):
        result = made_by(too_strong(), TorchOptions(), "fp16")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "repeated in fp32" in caplog.text
    np.testing.assert_allclose(result, wanted, atol=0.02)


def test_weights_are_narrow_again_after_a_step_in_fp32() -> None:
    net = prepare(student(SHALLOW), torch.float16, CPU)
    before = {name: (part.data_ptr(), part.dtype) for name, part in net.named_parameters()}
    stream = step_runner(net, SIZE, 1, torch.float16, StateOptions(retryable=True))
    with torch.inference_mode():
        stream.run(torch.rand(1, 3, *SIZE), torch.zeros(1), fp32=True)
    assert {name: (part.data_ptr(), part.dtype) for name, part in net.named_parameters()} == before


def test_the_papers_network_is_narrow_but_for_its_ends() -> None:
    net = prepare(student(SHALLOW), torch.bfloat16, CPU)
    wide = {name.rpartition(".")[0] for name, part in net.named_parameters() if part.dtype == torch.float32}
    assert wide == {"unet.stem.layer", "decoder.head.layer"}


class Recording:
    """Stands for a CUDA graph: `replay` does again what was done in the block, into the memory of its results."""

    current: Recording | None = None

    def __init__(self) -> None:
        self.replays = 0
        self.again: Callable[[], StepOutput] | None = None
        self.made: StepOutput = ()

    def replay(self) -> None:
        self.replays += 1
        assert self.again is not None
        for into, fresh in zip(self.made, self.again(), strict=True):
            into.copy_(fresh)


class Recorded:
    """A running step that tells the recording which is open what it did."""

    def __init__(self, inner: object) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def run(self, frames: Tensor, links: Tensor, *, fp32: bool = False) -> StepOutput:
        act: Callable[[], StepOutput] = lambda: self.inner.run(frames, links, fp32=fp32)  # type: ignore[attr-defined]  # noqa: E731
        result = act()
        if Recording.current is not None:
            Recording.current.again, Recording.current.made = act, result
        return result


@contextmanager
def recording(graph: Recording, **_: object) -> Iterator[None]:
    Recording.current = graph
    yield
    Recording.current = None


class Shared:
    """What recordings share."""

    def __init__(self) -> None:
        self.stream, self.pool = None, None
        self.warmed_up: set[Hashable] = set()


@pytest.mark.parametrize("make", MAKERS)
def test_a_step_is_run_once_recorded_once_and_replayed_from_then_on(
    make: Callable[[], Student], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.CUDAGraph", Recording)
    monkeypatch.setattr("torch.cuda.graph", recording)
    net, frames = make(), torch.rand(30, 3, 4, 8)
    shared = Shared()
    with torch.inference_mode():
        plain = step_runner(net, SIZE, 1, torch.float32, StateOptions())
        inner = Recorded(step_runner(net, SIZE, 1, torch.float32, StateOptions(fixed_memory=True, retryable=True)))
        step = CapturedStep(inner, SIZE, CPU, shared)  # type: ignore[arg-type]  # what a GPU would have
        for n, frame in enumerate(frames):
            link = torch.tensor([float(n % 7 > 0)])
            step.frames.copy_(frame[None])
            step.links.copy_(link)
            result, wanted = step.run(), plain.run(step.frames, link)
            for first, second in zip(result, wanted, strict=True):
                assert torch.equal(first, second)
            step.runner.advance()
            plain.advance()
    assert shared.warmed_up == {(1, 3, 4, 8)}
    assert getattr(step._captured._graph, "replays", 0) == len(frames) - 1


class Event:
    """Keeps order: to wait for it is to know that it was recorded, or never used."""

    def record(self, _: object) -> None: ...
    def synchronize(self) -> None: ...


class Queue:
    """Stands for a CUDA stream, on which everything is done at once."""

    def wait_event(self, _: Event) -> None: ...


def test_pictures_that_leave_through_pinned_memory_are_not_overwritten_on_their_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "_pinned_like", lambda like, type: torch.empty(like.shape, dtype=type))
    monkeypatch.setattr(transfer, "_event", Event)
    monkeypatch.setattr("torch.cuda.stream", lambda _: nullcontext())
    net, frames = student(SHALLOW), np.random.default_rng(0).random((5, 3, *SIZE), np.float32)
    with torch.inference_mode():
        step = CapturedStep(step_runner(net, SIZE, 1, torch.float32, StateOptions()), SIZE, CPU, None)
        plain = step_runner(net, SIZE, 1, torch.float32, StateOptions())
        bus = PinnedTransfer(Queue(), Queue(), torch.float32)  # type: ignore[arg-type]
        pending: PendingDownload | None = None
        before = np.zeros(0, np.float32)
        for n, frame in enumerate(frames):
            link = np.full(1, float(n > 0), np.float32)
            bus.upload([(frame[None], step.frames), (link, step.links)])
            following = bus.download(step.run())
            step.runner.advance()
            if pending is not None:
                np.testing.assert_array_equal(pending()[0], before)
            (wanted,) = plain.run(torch.from_numpy(frame[None]), torch.from_numpy(link))
            plain.advance()
            pending, before = following, wanted.numpy()


def test_a_stream_that_is_gone_leaves_its_memory_to_the_next_which_knows_nothing_of_it() -> None:
    backend, frames = TorchBackend.from_network(student(SHALLOW), CPU, "fp32", TorchOptions()), clip_of(4, set(), SIZE)
    first = run(backend, frames, set())
    gc.collect()
    (machine,) = backend._idle_executors
    left = backend.start(*SIZE)
    backend.step(np.full_like(frames[:1], np.nan), np.ones(1, np.float32), left)
    del left
    gc.collect()
    np.testing.assert_array_equal(run(backend, frames, set()), first)
    gc.collect()
    assert backend._idle_executors == [machine]


def test_memory_of_another_size_is_given_up() -> None:
    backend = TorchBackend.from_network(student(SHALLOW), CPU, "fp32", TorchOptions())
    for size in ((4, 4), (4, 8)):
        run(backend, clip_of(1, set(), size), set())
        gc.collect()
    assert [machine.step.size for machine in backend._idle_executors] == [(4, 8)]


@pytest.mark.parametrize(("has", "able", "expected"), [
    (True, ("fp32", "bf16", "fp16"), "bf16"), (False, ("fp32", "bf16", "fp16"), "fp16"), (False, ("fp32",), "fp32"),
])  # fmt: skip
def test_by_itself_a_gpu_counts_in_bf16_where_it_can(
    has: bool, able: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device", lambda _: nullcontext())
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: has)
    assert backend_module._precision("auto", torch.device("cuda", 0), able) == expected
    assert backend_module._precision("auto", CPU, able) == "fp32"


class _Watched(list[StepExecutor]):
    """Idle machines, which two threads look at together if they can."""

    def __init__(self, machines: list[StepExecutor]) -> None:
        super().__init__(machines)
        self.meeting = threading.Barrier(2)

    def __iter__(self) -> Iterator[StepExecutor]:
        seen = list(super().__iter__())
        with suppress(threading.BrokenBarrierError):
            self.meeting.wait(0.3)
        return iter(seen)


def test_two_threads_that_begin_streams_do_not_take_the_same_machine() -> None:
    torch.set_num_threads(1)
    backend, frames, links = (
        TorchBackend.from_network(compact(), CPU, "fp32"),
        clip_of(1, size=SIZE),
        np.zeros(1, np.float32),
    )
    backend.step(frames, links, backend.start(*SIZE))
    gc.collect()
    backend._idle_executors = _Watched(backend._idle_executors)
    assert len(backend._idle_executors) == 1
    with ThreadPoolExecutor(2) as pool:
        streams = [backend.start(*SIZE) for _ in range(2)]
        steps = [pool.submit(backend.step, frames, links, stream) for stream in streams]
        first, second = (step.result(timeout=30)[0] for step in steps)
    np.testing.assert_array_equal(to_rgb(first), to_rgb(second))
