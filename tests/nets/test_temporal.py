"""The step form of a network is its clip form, whatever the cuts, steps and seeks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets.streaming import clip, streamed
from vsadcvsr.errors import UsageError
from vsadcvsr.nets.compact import BASE, FAST, CompactDims, CompactStudent, join
from vsadcvsr.nets.temporal import TemporalBlock
from vsadcvsr.spec import SCALES

TINY = CompactDims(name="tiny", width=4, quarter_width=6, blocks=2, refine=1, sites=(0, 1), late_temporal=True)
HALF_SIZE = CompactDims(name="half", width=4, refine=2, late_temporal=True)
TOLERANCE = 2e-5  # fp32 sums in another order, through a dozen layers of random weights


def student(seed: int = 0, dims: CompactDims = TINY) -> CompactStudent:
    """A student whose every weight is random: nothing is zero, so that no path hides."""
    torch.manual_seed(seed)
    net = CompactStudent(dims).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(torch.randn_like(weight) * 0.2)
    return net


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(1, 14),
    cuts=st.sets(st.integers(0, 13), max_size=5),
    steps=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    size=st.tuples(st.sampled_from([4, 8, 12]), st.sampled_from([4, 8, 16])),
    dims=st.sampled_from([TINY, HALF_SIZE]),
)
def test_streaming_equals_the_whole_clip(
    frames: int, cuts: set[int], steps: list[int], size: tuple[int, int], dims: CompactDims
) -> None:
    net = student(dims=dims)
    x, links = clip(frames, cuts, size=size)
    with torch.inference_mode():
        torch.testing.assert_close(streamed(net, x, links, steps), net(x, links), atol=TOLERANCE, rtol=0)


@settings(max_examples=15, deadline=None)
@given(frames=st.integers(2, 12), cut=st.integers(1, 11))
def test_nothing_crosses_a_cut(frames: int, cut: int) -> None:
    cut = min(cut, frames - 1)
    net = student()
    x, links = clip(frames, {cut})
    with torch.inference_mode():
        apart = torch.cat([net(x[:cut], links[:cut]), net(x[cut:], links[cut:])])
        torch.testing.assert_close(net(x, links), apart, atol=TOLERANCE, rtol=0)


@settings(max_examples=15, deadline=None)
@given(target=st.integers(0, 11), seed=st.integers(0, 99), dims=st.sampled_from([TINY, HALF_SIZE]))
def test_a_seek_from_any_state_reaches_the_same_frame(target: int, seed: int, dims: CompactDims) -> None:
    net = student(dims=dims)
    x, links = clip(12, {5})
    start = max(target - net.spec.lookahead, 0)
    with torch.inference_mode():
        whole = net(x, links)
        torch.manual_seed(seed)
        rubbish = tuple(torch.rand_like(part) for part in net.initial_state(8, 12))
        late = net.spec.lookahead
        tail = torch.cat([x[start:], torch.rand(late, 3, 8, 12)])
        linked = torch.cat([links[start:], torch.zeros(late)])
        output = join(*net.step(tail, linked, rubbish)[0])
    if start == 0 or target - start >= late:
        torch.testing.assert_close(output[late + target - start], whole[target], atol=TOLERANCE, rtol=0)


def test_temporal_blocks_start_as_the_identity() -> None:
    block, x = TemporalBlock(5), torch.rand(4, 5, 3, 3)
    torch.testing.assert_close(block(x, torch.ones(4)), x)


@pytest.mark.parametrize("scale", SCALES)
def test_a_new_student_is_the_bilinear_upscale(scale: int) -> None:
    x = torch.rand(2, 3, 8, 8)
    expected = torch.nn.functional.interpolate(x, scale_factor=float(scale), mode="bilinear")
    with torch.inference_mode():
        torch.testing.assert_close(CompactStudent(replace(TINY, scale=scale))(x, torch.zeros(2)), expected)


@pytest.mark.parametrize("scale", SCALES)
def test_the_step_form_is_the_clip_form_at_any_scale(scale: int) -> None:
    net = student(dims=replace(TINY, scale=scale))
    x, links = clip(8, {3})
    with torch.inference_mode():
        whole = net(x, links)
        torch.testing.assert_close(streamed(net, x, links, [2]), whole, atol=TOLERANCE, rtol=0)
    assert whole.shape == (8, 3, 8 * scale, 12 * scale)


@pytest.mark.parametrize(
    "dims", [TINY, HALF_SIZE, FAST, replace(TINY, scale=1)], ids=lambda dims: f"{dims.name}-{dims.scale}"
)
def test_the_stated_reach_covers_the_real_one(dims: CompactDims) -> None:
    net = student(dims=dims)
    size, at = 4 * (net.dims.spec.reach or 0) // 2 // 4 * 4 + 32, 0
    x = torch.rand(1, 3, 8, size)
    changed = x.clone()
    changed[..., at : at + 4] = torch.rand(1, 3, 8, 4)
    with torch.inference_mode():
        gap = (net(x, torch.zeros(1)) - net(changed, torch.zeros(1))).abs().amax((0, 1, 2))
    touched = gap.nonzero().max().item() // dims.scale
    assert touched - 3 <= (net.spec.reach or 0)


def test_without_blocks_sizes_need_only_be_even() -> None:
    net = student(dims=HALF_SIZE)
    assert net.spec.multiple == 2
    x, links = clip(5, {3}, size=(6, 10))
    with torch.inference_mode():
        torch.testing.assert_close(streamed(net, x, links, [2]), net(x, links), atol=TOLERANCE, rtol=0)


def test_sizes_of_the_family() -> None:
    count = {dims.name: sum(p.numel() for p in CompactStudent(dims).parameters()) for dims in (FAST, BASE)}
    assert count == {"fast": 124_140, "base": 384_604}


@pytest.mark.parametrize("change", [{"blocks": 0, "sites": ()}, {"quarter_width": 0}])
def test_a_width_without_blocks_and_blocks_without_one_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="quarter_width is"):
        replace(TINY, **change)


@pytest.mark.parametrize("inner", [(4,), (4, 0)])
def test_blocks_without_a_width_are_refused(inner: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"inner is .* a number from 1 for each of 2 blocks"):
        replace(TINY, inner=inner)


def test_sites_outside_the_body_are_refused() -> None:
    with pytest.raises(UsageError, match="sites is"):
        CompactDims(name="x", width=4, quarter_width=4, blocks=1, refine=0, sites=(1,))


def test_a_scale_that_no_model_can_have_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^scale is 5, allowed: 1, 2, 3, 4$"):
        replace(TINY, scale=5)
