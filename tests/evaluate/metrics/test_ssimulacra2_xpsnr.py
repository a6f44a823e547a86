"""SSIMULACRA2 and XPSNR: against independent implementations, and by what they must order."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tests.evaluate.waves import moving, picture
from tests.requirements import requires
from vsadcvsr.errors import BackendError
from vsadcvsr.evaluate.methods import quantize
from vsadcvsr.evaluate.metrics import ssimulacra2_xpsnr
from vsadcvsr.evaluate.metrics.vmaf import luma_of
from vsadcvsr.spec import Array


def blurred(frame: Array, sigma: float) -> Array:
    soft = cv2.GaussianBlur(frame.transpose(1, 2, 0), (0, 0), sigma)
    return quantize(np.ascontiguousarray(soft.transpose(2, 0, 1)))


def xpsnr_of(frame: Array, truth: Array, before: Array | None) -> float:
    """XPSNR of luma as its authors define it, for frames of 640x480 to 2048x1152 pixels at up to 32 a second."""
    luma, true = luma_of(frame).astype(np.float64), luma_of(truth).astype(np.float64)
    steps = np.abs(true - (0 if before is None else luma_of(before).astype(np.float64))) * 2
    edges = np.abs(cv2.filter2D(true, -1, np.array([[-1.0, -2, -1], [-2, 12, -2], [-1, -2, -1]])))
    height, width = true.shape
    part = height * width / (3840 * 2160)
    side = int(32 * math.sqrt(part) + 0.5) * 4
    error = 0.0
    for top in range(0, height, side):
        for left in range(0, width, side):
            block = np.s_[top : top + side, left : left + side]
            inner = edges[max(top, 1) : min(top + side, height - 1), max(left, 1) : min(left + side, width - 1)]
            activity = max(inner.mean() + steps[block].mean(), 4)
            error += float(((luma[block] - true[block]) ** 2).sum()) / activity
    error = round(error * math.sqrt(16 * 2**7 / math.sqrt(part)))
    return 10 * math.log10(height * width * 255**2 / error)


def test_xpsnr_is_that_of_an_independent_implementation() -> None:
    requires("vszip")
    truth = [quantize(frame * np.linspace(0.5, 1, 656, dtype=np.float32)) for frame in moving(3, 480, 656)]
    clip = [blurred(frame, 1.5) for frame in truth]
    own = [xpsnr_of(*frames) for frames in zip(clip, truth, [None, *truth[:2]], strict=True)]
    assert ssimulacra2_xpsnr.open_metric("xpsnr")(clip, truth) == pytest.approx(own, abs=0.01)


def test_ssimulacra2_is_that_of_an_independent_implementation() -> None:
    requires("vszip")
    truth = picture(384, 512)
    # by the package ssimulacra2 0.3.0 with mirrored borders and nine taps, as the plugin has them
    assert ssimulacra2_xpsnr.open_metric("ssimulacra2")([blurred(truth, 1.5)], [truth]) == pytest.approx(
        [64.12], abs=0.1
    )


@pytest.mark.parametrize(("name", "best"), [("ssimulacra2", 99.8), ("xpsnr", math.inf)])
def test_the_truth_is_best_and_more_blur_is_worse(name: str, best: float) -> None:
    requires("vszip")
    scores = ssimulacra2_xpsnr.open_metric(name)
    truth = moving(2, 240, 272)
    assert min(scores(truth, truth)) >= best
    rows = [scores([blurred(frame, sigma) for frame in truth], truth) for sigma in (0.7, 1.5, 3)]
    assert all(len(row) == 2 for row in rows)
    assert rows[0] > rows[1] > rows[2]


def test_odd_sizes_are_measured() -> None:
    requires("vszip")
    truth = moving(1, 241, 273)
    for name in ("ssimulacra2", "xpsnr"):
        assert math.isfinite(ssimulacra2_xpsnr.open_metric(name)([blurred(truth[0], 1)], truth)[0])


def test_without_the_plugin_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vapoursynth", SimpleNamespace(core=object()))
    with pytest.raises(BackendError, match=r"ssimulacra2 needs vszip.*pip install 'vsadcvsr\[evaluate\]'"):
        ssimulacra2_xpsnr.open_metric("ssimulacra2")
