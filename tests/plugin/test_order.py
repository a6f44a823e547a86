"""Frame n is the same picture in whatever order and on however many threads."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from concurrent.futures import Future

import pytest
import vapoursynth as vs

from tests.plugin.clips import digest, digests, failing_from, guarded, moving
from tests.plugin.still_engine import REACH, MeanEngine

LENGTH = 24
ENDLESS = (1 << 31) // 16 - 1  # what mpv declares
type Upscale = Callable[[vs.VideoNode], vs.VideoNode]


@pytest.fixture(params=["stateless", "streaming"])
def upscale(request: pytest.FixtureRequest) -> Upscale:
    """The filter on an engine that cannot hide the plugin's mistakes, and on the real one; both look 2 frames ahead."""
    if request.param == "stateless":
        request.getfixturevalue("mean_engine")
        return vs.core.adcvsr.Upscale  # type: ignore[no-any-return]
    return lambda clip: vs.core.adcvsr.Upscale(clip, model="nearest-temporal")


def shuffled() -> list[int]:
    order = list(range(LENGTH))
    random.Random(5).shuffle(order)
    return order


ORDERS = {
    "linear": list(range(LENGTH)),
    "reverse": list(range(LENGTH))[::-1],
    "shuffled": shuffled(),
    "from the middle": list(range(9, LENGTH)) + list(range(9)),
    "every fifth": [n for start in range(5) for n in range(start, LENGTH, 5)],
}


def truth(upscale: Upscale, clip: vs.VideoNode) -> dict[int, str]:
    return digests(upscale(clip), range(len(clip)))


@pytest.mark.parametrize("threads", [1, 2, 8, 32])
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_gives_the_same_bits(upscale: Upscale, order: str, threads: int) -> None:
    clip = moving(length=LENGTH)
    expected = truth(upscale, clip)
    vs.core.num_threads = threads
    assert digests(upscale(clip), ORDERS[order]) == expected


@pytest.mark.parametrize("threads", [1, 2, 8, 32])
def test_all_frames_asked_for_at_once_are_the_same(upscale: Upscale, threads: int) -> None:
    clip = moving(length=LENGTH)
    expected = truth(upscale, clip)
    vs.core.num_threads = threads
    upscaled = upscale(clip)
    waiting: list[Future[vs.VideoFrame]] = [upscaled.get_frame_async(n) for n in shuffled()]
    for future in waiting:
        future.result(timeout=30).close()
    assert digests(upscaled, range(LENGTH)) == expected


def test_two_filters_on_one_clip_do_not_disturb_each_other(upscale: Upscale) -> None:
    clip = moving(length=LENGTH)
    expected = truth(upscale, clip)
    first, second = upscale(clip), upscale(clip)
    for n, back in zip(range(LENGTH), reversed(range(LENGTH)), strict=True):
        assert digest(first, n) == expected[n]
        assert digest(second, back) == expected[back]


def test_cuts_named_by_the_clip_are_obeyed(upscale: Upscale) -> None:
    dark, light = (
        vs.core.std.BlankClip(format=vs.RGBS, width=8, height=8, length=4, color=[c] * 3) for c in (0.2, 0.8)
    )
    joined = dark + light[0].std.SetFrameProps(_SceneChangePrev=1) + light[1:]
    upscaled = upscale(joined)
    values = [round(upscaled.get_frame(n)[0][0, 0], 5) for n in range(8)]
    assert values == [0.2] * 4 + [0.8] * 4


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_the_end_of_a_players_clip_inside_the_lookahead_loses_nothing(upscale: Upscale, threads: int) -> None:
    clip = moving(length=10)
    expected = truth(upscale, clip)
    vs.core.num_threads = threads
    endless = upscale(failing_from(clip, 10, ENDLESS))
    assert digests(endless, range(10)) == expected
    with pytest.raises(vs.Error):
        endless.get_frame(10)


def test_a_player_that_buffers_few_frames_is_enough_for_linear_use(upscale: Upscale) -> None:
    clip = moving(length=10)
    expected = truth(upscale, clip)
    newest = 0

    def buffered(n: int) -> bool:
        nonlocal newest
        newest = max(newest, n)
        return newest - REACH <= n < 10

    endless = upscale(guarded(clip, ENDLESS, buffered))
    assert digests(endless, range(10)) == expected


def test_frames_that_a_player_has_dropped_restart_the_scene(upscale: Upscale) -> None:
    clip = moving(length=12)
    late = guarded(clip, ENDLESS, lambda n: 6 <= n < 12)
    expected = truth(upscale, clip[6:])
    assert digest(upscale(late), 6) == expected[0]


def test_a_lost_frame_around_the_wanted_one_is_an_error_in_the_words_of_the_source(upscale: Upscale) -> None:
    broken = guarded(moving(length=12), 12, lambda n: n != 3)
    with pytest.raises(vs.Error, match="frame 3 is not there"):
        upscale(broken).get_frame(5)


def test_what_a_source_says_when_it_fails_reaches_the_user(upscale: Upscale) -> None:
    upscaled = upscale(failing_from(moving(length=12), 6, 12))
    with pytest.raises(vs.Error, match=r"frame [67] is not there"):
        upscaled.get_frame(5)


def test_a_frame_that_fails_takes_no_output_with_it_that_does_not_depend_on_it(upscale: Upscale) -> None:
    clip, lost = moving(length=LENGTH), {5, 6, 17}
    expected, upscaled = truth(upscale, clip), upscale(guarded(clip, LENGTH, lambda n: n not in lost))
    for n in range(LENGTH):
        if lost & {*range(n - 2, n + 3)}:
            with pytest.raises(vs.Error, match="is not there"):
                upscaled.get_frame(n)
        else:
            assert digest(upscaled, n) == expected[n]


def test_a_filter_that_goes_closes_its_engine(mean_engine: type[MeanEngine]) -> None:
    gc.collect()  # filters of earlier tests, held by the errors they raised
    before = mean_engine.closed
    upscaled = vs.core.adcvsr.Upscale(moving())
    digest(upscaled, 0)
    del upscaled
    gc.collect()
    assert mean_engine.closed == before + 1


def test_nothing_is_fetched_at_creation(upscale: Upscale) -> None:
    upscale(failing_from(moving(), 0, 8))
