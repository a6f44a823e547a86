"""The picture of the shipped networks, on a clip that they were not trained on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from vsadcvsr.evaluate.methods import downscale, open_model, resizers
from vsadcvsr.evaluate.metrics.fidelity import fidelity, luma
from vsadcvsr.evaluate.metrics.temporal import paths_of, warping_errors
from vsadcvsr.spec import Array
from vsadcvsr.video_io import read_frames

CLIP = Path(__file__).parents[2] / "examples" / "media" / "clip.mp4"


@pytest.fixture(scope="module")
def truth() -> list[Array]:
    return [frame[:, :176] for frame in islice(read_frames(CLIP), 20, 28)]  # the second shot


@pytest.fixture(scope="module")
def results(truth: list[Array]) -> dict[str, list[Array]]:
    """By name of the upscaler, the frames from a clean quarter of the size, in 0..1."""
    low = [downscale(frame) for frame in truth]
    ways = {"bicubic": resizers()["bicubic"]}
    ways |= {model: open_model(model, backend="ort", threads=1) for model in ("fast", "base")}
    return {name: [frame.clip(0, 1) for frame in upscale(low)] for name, upscale in ways.items()}


def psnr(frames: list[Array], truth: list[Array]) -> float:
    return float(np.mean([fidelity(*pair).psnr_y for pair in zip(frames, truth, strict=True)]))


def sharpness(frames: list[Array]) -> float:
    """The mean step of luma from pixel to pixel, across."""
    return float(np.mean([np.abs(np.diff(luma(frame), axis=-1)).mean() for frame in frames]))


def test_they_are_nearer_to_the_truth_than_bicubic(truth: list[Array], results: dict[str, list[Array]]) -> None:
    gains = {model: psnr(results[model], truth) - psnr(results["bicubic"], truth) for model in ("fast", "base")}
    assert gains == pytest.approx({"fast": 3.54, "base": 3.55}, abs=0.1)


def test_shipped_networks_are_sharper_than_bicubic(truth: list[Array], results: dict[str, list[Array]]) -> None:
    shares = {name: sharpness(frames) / sharpness(truth) for name, frames in results.items()}
    assert shares == pytest.approx({"bicubic": 0.658, "fast": 0.860, "base": 0.899}, abs=0.02)


@pytest.mark.parametrize(("model", "most"), [("fast", 1.15), ("base", 1.25)])
def test_they_are_nearly_as_steady_as_the_truth(
    model: str, most: float, truth: list[Array], results: dict[str, list[Array]]
) -> None:
    paths = paths_of(truth)
    assert np.mean(warping_errors(results[model], paths)) < most * np.mean(warping_errors(truth, paths))


@pytest.mark.parametrize(("model", "gain"), [("fast", 1.61), ("base", 2.36)])
def test_the_networks_of_half_the_scale_are_nearer_to_the_truth_as_well(
    model: str, gain: float, truth: list[Array]
) -> None:
    low = [downscale(frame, 2) for frame in truth]
    upscaled = {
        "bicubic": list(resizers(2)["bicubic"](low)),
        model: list(open_model(model, backend="ort", threads=1, scale=2)(low)),
    }
    assert psnr(upscaled[model], truth) - psnr(upscaled["bicubic"], truth) == pytest.approx(gain, abs=0.1)
    shares = {name: sharpness(frames) / sharpness(truth) for name, frames in upscaled.items()}
    assert 1.01 > shares[model] > shares["bicubic"] + 0.03


@pytest.mark.parametrize(("denoise", "gain"), [(0, 2.36), (1, 2.97)])
def test_the_network_of_scale_1_takes_noise_away(truth: list[Array], denoise: float, gain: float) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.clip(frame + rng.normal(0, 0.04, frame.shape), 0, 1).astype(np.float32) for frame in truth]
    restored = list(open_model(f"fast#denoise={denoise}", backend="ort", threads=1, scale=1)(noisy))
    assert psnr(restored, truth) - psnr(noisy, truth) == pytest.approx(gain, abs=0.1)


def test_a_mean_along_motion_takes_noise_and_flicker_away(truth: list[Array]) -> None:
    rng, low = np.random.default_rng(1), [downscale(frame) for frame in truth]
    noisy = [np.clip(frame + rng.normal(0, 0.03, frame.shape), 0, 1).astype(np.float32) for frame in low]
    plain, steady = (list(open_model(name, backend="ort", threads=1)(noisy)) for name in ("fast", "fast#steady=.5"))
    assert psnr(steady, truth) - psnr(plain, truth) == pytest.approx(0.43, abs=0.1)
    paths = paths_of(truth)
    assert np.mean(warping_errors(steady, paths)) < 0.6 * np.mean(warping_errors(plain, paths))


def test_sharpen_comes_near_the_sharpness_of_the_truth(truth: list[Array], results: dict[str, list[Array]]) -> None:
    sharper = list(open_model("base#sharpen=.5", backend="ort", threads=1)([downscale(frame) for frame in truth]))
    assert sharpness(sharper) / sharpness(truth) == pytest.approx(0.975, abs=0.02)
    assert psnr(sharper, truth) - psnr(results["bicubic"], truth) == pytest.approx(3.16, abs=0.1)
