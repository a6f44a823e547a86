"""The model that ships, on the real clip that ships: same bits, same colour, and sharper than bicubic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from tests.plugin.clips import digests

CLIP = Path(__file__).parents[2] / "examples" / "media" / "clip.mp4"
CUT = 20
SHOWN = range(CUT - 6, CUT + 6)


@pytest.fixture
def clip() -> vs.VideoNode:
    source = vs.core.bs.VideoSource(str(CLIP), cachemode=0, showprogress=False)
    return vs.core.std.Crop(source, bottom=4)  # 176 lines: a quarter of them is even


@pytest.fixture
def small(clip: vs.VideoNode) -> vs.VideoNode:
    """The clip at a quarter of its size, so that the clip itself is the truth."""
    return vs.core.resize.Bicubic(clip, clip.width // 4, clip.height // 4)


def luma(clip: vs.VideoNode, n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    with clip.get_frame(n) as frame:
        return np.asarray(frame[0], np.float64).copy()


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(
    "order", [SHOWN, SHOWN[::-1], [19, 20, 14, 25, 18, 22], range(21, 24)], ids=["linear", "reverse", "seeks", "chunk"]
)
def test_every_order_gives_the_same_bits(small: vs.VideoNode, order: range | list[int], threads: int) -> None:
    expected = digests(vs.core.adcvsr.Upscale(small), SHOWN)
    vs.core.num_threads = threads
    result = digests(vs.core.adcvsr.Upscale(small, threads=threads), order)
    assert result == {n: expected[n] for n in order}


def test_a_scene_is_a_clip_of_its_own(small: vs.VideoNode) -> None:
    whole = digests(vs.core.adcvsr.Upscale(small), range(CUT, CUT + 4))
    alone = digests(vs.core.adcvsr.Upscale(small[CUT:]), range(4))
    assert list(whole.values()) == list(alone.values())


def test_colour_stays_within_one_step_of_bicubic(clip: vs.VideoNode) -> None:
    fine = vs.core.adcvsr.Upscale(clip)
    plain = vs.core.resize.Bicubic(clip, fine.width, fine.height)
    for n in (3, 33):
        for plane in range(3):
            means = [np.asarray(upscaled.get_frame(n)[plane]).mean() for upscaled in (fine, plain)]
            assert abs(means[0] - means[1]) < 1


@pytest.mark.parametrize(("n", "gain"), [(8, 0.05), (30, 0.3)], ids=["aliased grid", "bear"])  # dB, well below today's
def test_pictures_are_nearer_to_the_truth_than_bicubic(
    clip: vs.VideoNode, small: vs.VideoNode, n: int, gain: float
) -> None:
    fine = vs.core.adcvsr.Upscale(small, width=clip.width, height=clip.height)
    plain = vs.core.resize.Bicubic(small, clip.width, clip.height)
    truth = luma(clip, n)[8:-8, 8:-8]
    errors = [np.square(luma(upscaled, n)[8:-8, 8:-8] - truth).mean() for upscaled in (fine, plain)]
    assert 10 * np.log10(errors[1] / errors[0]) > gain
