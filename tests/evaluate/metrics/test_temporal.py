"""The warping error on clips whose motion is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vsadcvsr.errors import FormatError
from vsadcvsr.evaluate.metrics.temporal import (
    DIS,
    VARIANTS,
    ClipWithFlow,
    Flow,
    FlowNet,
    Path,
    downscale_bilinear,
    flicker,
    paths_of,
    visible,
    warp,
    warping_by_variant,
    warping_errors,
)
from vsadcvsr.spec import Array

HEIGHT, WIDTH = 72, 96


def sliding(count: int, step: int) -> list[Array]:
    """A soft texture that moves `step` pixels to the left from frame to frame."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, : WIDTH + count * step].astype(np.float64)
    texture = sum(np.sin(rows * rng.uniform(-0.5, 0.5) + columns * rng.uniform(-0.5, 0.5)) for _ in range(12))
    plane = 0.5 + 0.04 * np.asarray(texture, dtype=np.float32)
    return [np.repeat(plane[None, :, index * step : index * step + WIDTH], 3, axis=0) for index in range(count)]


def still(count: int) -> list[Path]:
    return [Path(np.zeros((HEIGHT, WIDTH, 2), np.float32), np.ones((HEIGHT, WIDTH), np.bool_))] * count


def warping_error(frames: list[Array], paths: Sequence[Path]) -> float:
    """The mean over pairs; 0 for a single frame."""
    return float(np.mean(warping_errors(frames, paths) or [0.0]))


def test_a_still_clip_has_no_error() -> None:
    frames = sliding(1, 0) * 3
    assert warping_error(frames, paths_of(frames)) == pytest.approx(0, abs=1e-6)


def test_the_flow_of_a_slide_is_the_slide() -> None:
    path = paths_of(sliding(2, 3))[0]
    assert np.median(path.flow[..., 0]) == pytest.approx(-3, abs=0.1)
    assert np.median(path.flow[..., 1]) == pytest.approx(0, abs=0.1)
    assert path.visible[20:-20, 20:-20].mean() > 0.9


def test_a_slide_along_its_own_path_is_nearly_free_and_along_none_is_not() -> None:
    frames = sliding(3, 3)
    assert warping_error(frames, paths_of(frames)) < 0.05 * warping_error(frames, still(2))


def test_a_flicker_of_a_tenth_costs_ten_thousandths() -> None:
    dark = np.full((3, HEIGHT, WIDTH), 0.4, dtype=np.float32)
    assert warping_error([dark, dark + np.float32(0.1)], still(1)) == pytest.approx(10, rel=1e-4)


def test_hidden_pixels_do_not_count() -> None:
    frames = [np.zeros((3, HEIGHT, WIDTH), dtype=np.float32) for _ in range(2)]
    frames[1][:, :10] = 1
    shown = np.ones((HEIGHT, WIDTH), np.bool_)
    shown[:10] = False
    assert warping_error(frames, [Path(still(1)[0].flow, shown)]) == 0
    assert warping_error(frames, still(1)) > 0


def test_flows_that_disagree_are_occlusions() -> None:
    forward = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    forward[..., 0] = 2
    assert visible(forward, -forward)[5:-5, 5:-5].all()
    assert not visible(forward, forward)[5:-5, 5:-5].any()


def test_an_edge_of_the_flow_is_not_trusted() -> None:
    forward = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    forward[:, WIDTH // 2 :, 0] = 0.5
    seen = visible(forward, -forward)
    assert not seen[10, WIDTH // 2]
    assert seen[10, 10]


def test_warping_fetches_from_where_the_flow_points() -> None:
    picture = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH, 1)
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[..., 0], flow[..., 1] = 2, 1
    assert warp(picture, flow).reshape(HEIGHT, WIDTH)[5, 7] == picture[6, 9, 0]


def test_a_single_frame_is_steady() -> None:
    assert warping_error(sliding(1, 0), []) == 0


def test_a_wrong_number_of_paths_is_refused() -> None:
    with pytest.raises(FormatError, match="need 1 paths, 2 were given"):
        warping_error(sliding(2, 0), still(2))


def test_paths_of_another_size_are_refused() -> None:
    with pytest.raises(FormatError, match="cannot be measured along"):
        warping_error([frame[:, :40] for frame in sliding(2, 0)], still(1))


class Counting:
    """A flow net that sees no motion and counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.net = FlowNet("counting", self.between)

    def between(self, first: Array, second: Array) -> Flow:
        assert first.shape == second.shape
        self.calls += 1
        return np.zeros((*first.shape[1:], 2), np.float32)


def test_evalcrafters_error_sums_over_channels_at_half_size() -> None:
    dark = np.full((3, HEIGHT, WIDTH), 0.4, dtype=np.float32)
    clip, net = ClipWithFlow((dark, dark + np.float32(0.1))), Counting().net
    assert clip.paths(net, 2)[0].flow.shape == (HEIGHT // 2, WIDTH // 2, 2)
    assert warping_by_variant(VARIANTS["warp_ec"], net, clip, None) == pytest.approx([30], rel=1e-4)
    assert warping_by_variant(VARIANTS["warp_own"], net, clip, None) == pytest.approx([10], rel=1e-4)


def test_the_truths_paths_are_taken_where_a_variant_wants_them() -> None:
    moving, standing = ClipWithFlow(tuple(sliding(2, 3))), ClipWithFlow(tuple(sliding(1, 0) * 2))
    (along_truth,) = warping_by_variant(VARIANTS["warp"], DIS, moving, standing)
    (along_own,) = warping_by_variant(VARIANTS["warp_own"], DIS, moving, standing)
    assert along_own < 0.05 * along_truth
    assert warping_by_variant(VARIANTS["warp"], DIS, moving, None) == []


def test_halving_averages_two_by_two() -> None:
    frame = np.arange(48, dtype=np.float32).reshape(3, 4, 4)
    assert np.allclose(downscale_bilinear(frame, 2), frame.reshape(3, 2, 2, 2, 2).mean(axis=(2, 4)))
    assert downscale_bilinear(frame, 1) is frame


def test_paths_are_found_once() -> None:
    counting, clip = Counting(), ClipWithFlow(tuple(sliding(3, 1)))
    assert clip.paths(counting.net) is clip.paths(counting.net)
    assert counting.calls == 4


def test_flicker_counts_what_comes_back_and_not_what_moves_on() -> None:
    levels = [0, 10, 0, 20, 25, 30]
    frames = [np.full((3, 8, 8), level / 255, dtype=np.float32) for level in levels]
    assert flicker(frames) == pytest.approx([10, 10, 0, 0])


def test_a_still_clip_does_not_flicker() -> None:
    assert flicker(sliding(1, 0) * 3) == [0]
    assert flicker(sliding(2, 1)) == []
