"""The paper's student: its size, and that its step form is its clip form, whatever the cuts, steps and seeks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets.paper.small_paper import SHALLOW, WHOLE, student, with_temporal_blocks
from tests.nets.streaming import clip, streamed
from vsadcvsr.errors import UsageError
from vsadcvsr.nets.paper.config import IMAGE, PAPER, PaperDims
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.temporal import TemporalBlock

TOLERANCE = 5e-5  # fp32 sums in another order, through a hundred layers of random weights


@pytest.mark.parametrize(("dims", "values", "tensors"), [(PAPER, 572_935_443, 814), (IMAGE, 456_073_683, 662)])
def test_the_network_has_the_papers_parameters(dims: PaperDims, values: int, tensors: int) -> None:
    with torch.device("meta"):
        net = PaperStudent(dims)
    assert sum(parameter.numel() for parameter in net.parameters()) == values
    assert len(net.state_dict()) == tensors


def test_each_part_has_the_papers_parameters() -> None:
    with torch.device("meta"):
        net = PaperStudent(IMAGE)
    unet, decoder = net.unet, net.decoder
    parts = (unet.stem, unet.down, unet.middle, unet.up, unet.norm, unet.head, decoder.middle)
    counted = [sum(parameter.numel() for parameter in part.parameters()) for part in parts]
    assert counted == [26_160, 126_641_040, 49_795_200, 266_679_600, 480, 553_216, 2_626_048]


@pytest.mark.parametrize(("channels", "groups"), [(240, 24), (480, 32), (720, 24), (960, 32), (1440, 32), (256, 32)])
def test_group_counts_are_the_papers(channels: int, groups: int) -> None:
    assert PAPER.groups_of(channels) == groups


def test_its_facts_are_the_papers() -> None:
    assert (PAPER.spec.lookahead, PAPER.spec.multiple, PAPER.spec.reach) == (76, 16, None)
    assert PAPER.spec.color_fix == "frame"
    assert IMAGE.spec.lookahead == 0


def test_a_temporal_block_follows_every_resnet_and_transformer_of_the_unet() -> None:
    with torch.device("meta"):
        net = PaperStudent(PAPER)
    widths = [module.first.channels for module in net.modules() if isinstance(module, TemporalBlock)]
    assert {width: widths.count(width) for width in set(widths)} == {240: 10, 480: 10, 960: 18}


def test_streaming_the_whole_topology_equals_the_whole_clip() -> None:
    net = student(WHOLE)
    x, links = clip(12, {1, 9}, (16, 32))
    with torch.inference_mode():
        torch.testing.assert_close(streamed(net, x, links, [40, 1, 9]), net(x, links), atol=TOLERANCE, rtol=0)


@settings(max_examples=6, deadline=None)
@given(
    frames=st.integers(1, 30),
    cuts=st.sets(st.integers(0, 29), max_size=4),
    steps=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    size=st.tuples(st.sampled_from([4, 8]), st.sampled_from([4, 12])),
)
def test_streaming_equals_the_whole_clip(frames: int, cuts: set[int], steps: list[int], size: tuple[int, int]) -> None:
    net = student(SHALLOW)
    x, links = clip(frames, cuts, size)
    with torch.inference_mode():
        torch.testing.assert_close(streamed(net, x, links, steps), net(x, links), atol=TOLERANCE, rtol=0)


@settings(max_examples=3, deadline=None)
@given(target=st.integers(24, 31), seed=st.integers(0, 99))
def test_a_seek_from_any_state_reaches_the_same_frame(target: int, seed: int) -> None:
    net, late = student(SHALLOW), SHALLOW.spec.lookahead
    x, links = clip(32, {27}, (4, 8))
    start = target - late
    with torch.inference_mode():
        whole = net(x, links)
        torch.manual_seed(seed)
        rubbish = tuple(torch.rand_like(part) for part in net.initial_state(4, 8))
        tail = torch.cat([x[start:], torch.rand(late, 3, 4, 8)])
        output, _ = net.step(tail, torch.cat([links[start:], torch.zeros(late)]), rubbish)
    torch.testing.assert_close(output[2 * late], whole[target], atol=TOLERANCE, rtol=0)


def test_every_frame_within_the_lookahead_counts_and_none_beyond() -> None:
    net, late = student(SHALLOW), SHALLOW.spec.lookahead
    x, links = clip(2 * late + 3, set(), (4, 4))
    middle = late + 1
    x.requires_grad_()
    (slope,) = torch.autograd.grad(net(x, links)[middle].square().sum(), x)
    touched = slope.abs().amax((1, 2, 3)).nonzero().flatten()
    assert touched.tolist() == [*range(middle - late, middle + late + 1)]


def test_the_planned_state_is_what_a_step_returns() -> None:
    net = student(WHOLE)
    state = net.initial_state(16, 16)
    with torch.inference_mode():
        _, following = net.step(torch.rand(3, 3, 16, 16), torch.ones(3), state)
    shapes = [part.shape(16, 16) for part in WHOLE.state]
    assert [tuple(part.shape) for part in state] == [tuple(part.shape) for part in following] == shapes


def test_state_only_moves_along() -> None:
    net = student(SHALLOW)
    state = tuple(torch.rand_like(part) for part in net.initial_state(4, 4))
    with torch.inference_mode():
        _, following = net.step(torch.rand(1, 3, 4, 4), torch.ones(1), state)
    for before, after in zip(state, following, strict=True):
        torch.testing.assert_close(after[:-1], before[1:], atol=0, rtol=0)


def test_new_temporal_blocks_change_nothing() -> None:
    image = student(PaperDims(name="image", widths=(4, 8, 8, 8), head_dim=4, decoder=(8, 8, 4, 4), groups=(2, 1),
                              temporal=False))  # fmt: skip
    grown = with_temporal_blocks(image).eval()
    x, links = clip(3, set(), (16, 16))
    with torch.inference_mode():
        torch.testing.assert_close(grown(x, links), image(x, links), atol=0, rtol=0)
    assert grown.dims.temporal
    assert grown.spec.lookahead == 76


def test_an_image_network_needs_no_state() -> None:
    net = student(PaperDims(name="image", widths=(4, 4), head_dim=2, decoder=(4, 4, 4, 4), groups=(1,), temporal=False))
    x, links = clip(2, set(), (4, 8))
    with torch.inference_mode():
        output, following = net.step(x, links, net.initial_state(4, 8))
        torch.testing.assert_close(output, net(x, links), atol=0, rtol=0)
    assert following == ()


@pytest.mark.parametrize(
    "wrong",
    [{"widths": (8,)}, {"head_dim": 7}, {"decoder": (8, 8)}, {"layers": 0}, {"groups": (32,)}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_dimensions_that_make_no_network_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} is"):
        PaperDims(**wrong)  # type: ignore[arg-type]  # wrong on purpose
