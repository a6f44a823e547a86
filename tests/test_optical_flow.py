"""Optical flow on clips whose motion is known, and where it is trusted."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sliding import HEIGHT, WIDTH, sliding
from vsadcvsr.optical_flow import paths_of, visible, warp


def test_the_flow_of_a_slide_is_the_slide() -> None:
    path = paths_of(sliding(2, 3))[0]
    assert np.median(path.flow[..., 0]) == pytest.approx(-3, abs=0.1)
    assert np.median(path.flow[..., 1]) == pytest.approx(0, abs=0.1)
    assert path.visible[20:-20, 20:-20].mean() > 0.9


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
