"""Memory is planned before it is taken: the formula against what a step really holds, and plans for real cards."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.engine.test_paper import in_colours_of
from tests.nets.paper.small_paper import SHALLOW, WHOLE, student
from vsadcvsr.backends.pytorch.backend import TorchBackend, TorchOptions
from vsadcvsr.engine import Engine, EngineOptions
from vsadcvsr.errors import BackendError
from vsadcvsr.memory import GIB, plan_memory, plan_memory_for_tiles, usable_memory
from vsadcvsr.nets.paper.config import PAPER, PaperDims
from vsadcvsr.nets.paper.memory import memory_needs
from vsadcvsr.nets.step_runner import StateOptions, network_memory, prepare, step_runner
from vsadcvsr.nets.weights_file import Student, empty_student
from vsadcvsr.spec import MemoryNeeds, Offload
from vsadcvsr.tiling import TileOptions

PARAMETERS = 572_935_443
CPU = torch.device("cpu")
IMAGE = replace(WHOLE, name="image", temporal=False)


class TensorBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """Counts the bytes of tensors that were made within, and the most that there were at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = {
            tensor.untyped_storage()._cdata for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)
        }
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in inputs:
                self._note(tensor.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        if (place := storage._cdata) and place not in self._known:
            self._known.add(place)
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._gone, place, storage.nbytes())

    def _gone(self, place: int, count: int) -> None:
        if place in self._known:
            self._known.discard(place)
            self.now -= count


def measured_bytes(net: Student, size: tuple[int, int], type: torch.dtype, device: str) -> tuple[MemoryNeeds, int, int]:
    """What is planned for a step, what it really holds at most, and the bytes of its state."""
    net = prepare(net, type, torch.device(device))
    stream = step_runner(net, size, 1, type, StateOptions())
    frames = torch.zeros(1, 3, *size, device=device).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), TensorBytes() as counter:
        stream.run(frames, torch.zeros(1, device=device))
    planned = network_memory(net, size, type)
    assert planned is not None
    return planned, counter.most, stream.rings.nbytes[0]  # type: ignore[attr-defined]  # the paper's has rings


@pytest.mark.parametrize("type", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dims", [WHOLE, SHALLOW, replace(WHOLE, widths=(32, 32, 32, 32))], ids=["whole", "", "wide"])
def test_a_step_holds_what_was_planned(dims: PaperDims, type: torch.dtype) -> None:
    planned, most, state = measured_bytes(student(dims), (32, 64), type, "cpu")
    assert planned.activations == pytest.approx(most, rel=0.08)
    assert planned.temporal_states + planned.skip_delays == pytest.approx(state, rel=0.01)


def test_the_papers_own_step_holds_what_was_planned() -> None:
    planned, most, state = measured_bytes(empty_student(PAPER), (128, 128), torch.bfloat16, "meta")
    assert planned.activations == pytest.approx(most, rel=0.02)
    assert planned.temporal_states + planned.skip_delays == pytest.approx(state, rel=0.001)
    assert planned.weights == pytest.approx(2 * PARAMETERS, rel=0.001)


def of_the_paper(height: int, width: int) -> MemoryNeeds:
    return memory_needs(PAPER, (height, width), item_size=2, weights=2 * PARAMETERS)


@pytest.mark.parametrize(
    ("size", "card", "streams", "aside"),
    [
        ((270, 480), 24, 1, "none"), ((270, 480), 12, 1, "none"), ((270, 480), 8, 1, "none"),
        ((540, 960), 24, 1, "none"), ((540, 960), 12, 2, "lines"), ((540, 960), 8, 3, "all"),
    ],
)  # fmt: skip
def test_outputs_of_1080p_and_4k_fit_common_cards(
    size: tuple[int, int], card: int, streams: int, aside: Offload
) -> None:
    plan = plan_memory(PAPER.spec, of_the_paper, *size, usable_memory(card * GIB))
    assert (plan.streams, plan.offload) == (streams, aside)
    assert plan.on_device <= 0.9 * card * GIB


@settings(deadline=None, max_examples=20)
@given(st.integers(16, 700), st.integers(16, 1200), st.integers(3, 40))
def test_a_plan_fits_and_its_tiles_are_no_smaller_than_the_network_knows(height: int, width: int, card: int) -> None:
    room = usable_memory(card * GIB)
    try:
        plan = plan_memory(PAPER.spec, of_the_paper, height, width, room)
    except BackendError:
        assert of_the_paper(128, 128).on_device(1, "all") + of_the_paper(height, width).io_buffers > room or card < 4
        return
    assert plan.on_device <= room
    padded = PAPER.spec.padded(height, width)
    for side, whole in zip(plan.size, padded, strict=True):
        assert side % 16 == 0
        assert side >= min(128, whole)
    assert (plan.tiles is None) == (plan.streams == 1)


def test_pinned_memory_comes_in_powers_of_two() -> None:
    needs, line = of_the_paper(128, 128), 73 * 64 * 64 * 12 * 4  # the longest line, in fp32
    assert needs.skip_delays < needs.skip_host < 2 * needs.skip_delays
    assert replace(needs, skip_host=line).on_host(2, "lines") == 2 * (line + needs.io_buffers)
    assert needs.on_host(1, "none") == needs.io_buffers


def test_where_nothing_fits_one_line_says_what_would() -> None:
    with pytest.raises(BackendError, match=r"'paper' needs .* GiB for 960x540 in the smallest tiles, 1\.0 GiB are"):
        plan_memory(PAPER.spec, of_the_paper, 540, 960, GIB)


def test_tiles_of_the_users_own_are_kept_and_what_does_not_fit_goes_aside() -> None:
    tiles = TileOptions(width=256, height=256, pad=16)
    asides = [
        plan_memory_for_tiles(PAPER.spec, of_the_paper, 540, 960, usable_memory(card * GIB), tiles)
        for card in (40, 12, 2)
    ]
    assert [plan.offload for plan in asides] == ["none", "lines", "all"]
    assert {plan.tiles for plan in asides} == {tiles}


def backend_with(room: int | None) -> TorchBackend:
    net = student(IMAGE)
    with torch.no_grad():
        net.decoder.head.weight.mul_(0.05)  # so that nothing is clamped
    return TorchBackend.from_network(net, CPU, "fp32", TorchOptions(memory_limit=room))


def least_room(height: int, width: int) -> int:
    return backend_with(None).needs(height, width).on_device(1, "none")


def test_a_frame_that_does_not_fit_is_made_of_tiles_in_the_colours_of_the_whole() -> None:
    torch.set_num_threads(1)
    frame = np.random.default_rng(2).random((1, 3, 128, 240), np.float32)
    frame[..., 120:] *= 0.3  # tiles differ in colour
    backend = backend_with(least_room(128, 240) - 1)
    tiling = backend.plan(128, 240, None)
    assert tiling is not None
    assert (tiling.width, tiling.height) == (160, 128)
    (tiled,) = Engine(backend, EngineOptions(color_fix="frame")).stream(frame)
    (whole,) = Engine(backend_with(None), EngineOptions(color_fix="frame")).stream(frame)
    apart = np.abs(tiled - whole)
    assert 0 < apart.mean() < whole.std() / 2  # attention and normalisation see a tile instead of the frame
    raw = next(Engine(backend_with(least_room(128, 240) - 1)).stream(frame))
    wanted = in_colours_of(torch.from_numpy(raw[None]), torch.from_numpy(frame))[0].numpy()
    assert 0 < raw.min() < raw.max() < 1
    np.testing.assert_allclose(tiled, wanted, atol=1e-4)


def test_where_a_plan_was_too_bold_half_of_its_tiles_is_what_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = backend_with(least_room(128, 448) - 1)
    tiling = backend.plan(128, 448, None)
    assert tiling is not None
    assert (tiling.width, tiling.height) == (256, 128)

    def failing(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(backend, "step", failing)
    with pytest.raises(BackendError, match=r"on 256x128 pixels at a time .*; try tile=\[128, 80\]"):
        list(Engine(backend).stream(np.zeros((1, 3, 128, 448), np.float32)))


def test_a_frame_that_fits_is_whole() -> None:
    assert backend_with(least_room(128, 240)).plan(128, 240, None) is None
    assert backend_with(None).plan(128, 240, None) is None


def test_what_is_planned_aside_is_put_aside() -> None:
    net = student(SHALLOW)
    whole = TorchBackend.from_network(net, CPU, "fp32").needs(16, 16)
    backend = TorchBackend.from_network(net, CPU, "fp32", TorchOptions(memory_limit=whole.on_device(1, "lines")))
    assert backend.plan(16, 16, None) is None
    stream = backend.start(16, 16)
    backend.step(np.zeros((1, 3, 16, 16), np.float32), np.zeros(1, np.float32), stream)
    (machine,) = stream.executors  # type: ignore[attr-defined]
    assert machine.step.runner.rings.nbytes[1] == whole.skip_delays
