"""Rings hold what the step form hands on: the same bits, in place, wherever the delay lines live."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.nets.paper.small_paper import SHALLOW, WHOLE, student
from tests.nets.streaming import clip
from vsadcvsr.nets.paper.config import PAPER, PaperDims
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.paper.ring_state import StateRings
from vsadcvsr.nets.temporal import State
from vsadcvsr.spec import Offload

CPU = torch.device("cpu")
ASIDES: list[Offload] = ["none", "lines", "all"]


def rings_of(
    dims: PaperDims, size: tuple[int, int], count: int = 1, *, aside: Offload = "none", again: bool = False
) -> StateRings:
    return StateRings(dims, size, count, torch.float32, CPU, offload=aside, retryable=again)


def taken(net: PaperStudent, rings: StateRings, frames: Tensor, links: Tensor) -> Tensor:
    rings.load()
    return net.reconstruct(net.features_with(rings.context(links), frames))


def last(state: State) -> State:
    """The state with its channels last in memory, so that sums are in one order."""
    return tuple(part.contiguous(memory_format=torch.channels_last) if part.ndim == 4 else part for part in state)


def same_bits(
    dims: PaperDims, size: tuple[int, int], cuts: set[int], counts: list[int], *, aside: Offload, again: bool = False
) -> None:
    net = student(dims).to(memory_format=torch.channels_last)
    x, links = clip(sum(counts), cuts, size)
    x = x.contiguous(memory_format=torch.channels_last)
    state, rings, at = net.initial_state(*size), rings_of(dims, size, counts[0], aside=aside, again=again), 0
    with torch.inference_mode():
        for count in counts:
            if count != rings.count:
                grown = rings_of(dims, size, count, aside=aside, again=again)
                grown.copy_state_from(rings)
                rings = grown
            frames, linked = x[at : at + count], links[at : at + count]
            wanted, state = net.step(frames, linked, last(state))
            assert torch.equal(taken(net, rings, frames, linked), wanted)
            rings.advance()
            at += count


@pytest.mark.parametrize("aside", ASIDES)
def test_the_whole_topology_has_the_bits_of_the_step_form(aside: Offload) -> None:
    same_bits(WHOLE, (16, 32), {3}, [1] * 6, aside=aside)


@settings(max_examples=8, deadline=None)
@given(
    cuts=st.sets(st.integers(0, 40), max_size=4),
    counts=st.one_of(
        st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(28, 40).map(lambda count: [1] * count)
    ),
    size=st.tuples(st.sampled_from([4, 8]), st.sampled_from([4, 12])),
    aside=st.sampled_from(ASIDES),
    again=st.booleans(),
)
def test_any_cuts_and_step_lengths_have_the_bits_of_the_step_form(
    cuts: set[int], counts: list[int], size: tuple[int, int], aside: Offload, again: bool
) -> None:
    same_bits(SHALLOW, size, cuts, counts, aside=aside, again=again)


@pytest.mark.parametrize("aside", ASIDES)
def test_a_step_that_is_taken_again_has_the_same_bits(aside: Offload) -> None:
    net, rings = student(SHALLOW), rings_of(SHALLOW, (4, 8), aside=aside, again=True)
    x, links = clip(30, set(), (4, 8))
    with torch.inference_mode():
        for n in range(30):
            once = taken(net, rings, x[n : n + 1], links[n : n + 1])
            taken(net, rings, torch.full_like(x[:1], torch.nan), links[n : n + 1])
            assert torch.equal(taken(net, rings, x[n : n + 1], links[n : n + 1]), once)
            rings.advance()


@pytest.mark.parametrize("aside", ASIDES)
def test_cleared_rings_are_as_new(aside: Offload) -> None:
    net, rings = student(SHALLOW), rings_of(SHALLOW, (4, 8), aside=aside)
    x, links = clip(30, set(), (4, 8))

    def run() -> Tensor:
        outputs = []
        for n in range(30):
            outputs.append(taken(net, rings, x[n : n + 1], links[n : n + 1]))
            rings.advance()
        return torch.cat(outputs)

    with torch.inference_mode():
        first = run()
        taken(net, rings, torch.full_like(x[:1], torch.nan), links[:1])
        rings.advance()
        rings.clear()
        torch.testing.assert_close(run(), first, atol=0, rtol=0)


def test_what_does_not_fit_a_memory_is_kept_as_its_largest_number() -> None:
    net = student(SHALLOW)
    rings = StateRings(SHALLOW, (4, 4), 1, torch.float16, CPU)
    with torch.inference_mode():
        net.unet.stem.weight *= 1e9
        for _ in range(30):
            result = taken(net, rings, torch.rand(1, 3, 4, 4), torch.ones(1))
            rings.advance()
    assert result.isfinite().all()


def test_memory_does_not_move() -> None:
    net, rings = student(SHALLOW), rings_of(SHALLOW, (4, 4))
    places = [memory._memory.data_ptr() for memory in rings._rings]  # type: ignore[attr-defined]
    with torch.inference_mode():
        for _ in range(9):
            taken(net, rings, torch.rand(1, 3, 4, 4), torch.ones(1))
            rings.advance()
    assert places == [memory._memory.data_ptr() for memory in rings._rings]  # type: ignore[attr-defined]


def test_what_is_aside_is_not_on_the_device() -> None:
    bytes_of = {aside: rings_of(WHOLE, (32, 32), aside=aside).nbytes for aside in ASIDES}
    assert bytes_of["none"][1] == 0
    assert bytes_of["none"][0] > bytes_of["lines"][0] > bytes_of["all"][0]
    assert len({sum(both) for both in bytes_of.values()}) == 1


def test_streams_that_take_turns_share_a_desk() -> None:
    net, staging = student(SHALLOW), dict[int, Tensor]()
    both = [StateRings(SHALLOW, (4, 8), 1, torch.float32, CPU, offload="all", staging=staging) for _ in range(2)]
    alone = [rings_of(SHALLOW, (4, 8)) for _ in range(2)]
    clips = [clip(30, {7}, (4, 8), seed) for seed in (1, 2)]
    with torch.inference_mode():
        for n in range(30):
            for rings, other, (x, links) in zip(both, alone, clips, strict=True):
                wanted = taken(net, other, x[n : n + 1], links[n : n + 1])
                assert torch.equal(taken(net, rings, x[n : n + 1], links[n : n + 1]), wanted)
                rings.advance()
                other.advance()


def test_a_line_that_is_made_smaller_again_is_read_at_two_delays() -> None:
    assert [part.reads for part in PAPER.state if len(part.reads) > 1] == [(52, 56), (32, 36), (14, 16)]
    assert all(part.frames == max(part.reads) for part in PAPER.state if part.reads)
