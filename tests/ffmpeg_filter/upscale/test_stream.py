"""Frames in memory through the engine: the bits of the VapourSynth filter, in order, and no thread left behind."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest
import vapoursynth as vs

from ffmpeg_filter.media.frame import RawFrame, VideoFormat
from ffmpeg_filter.upscale.prefetch import prefetch
from ffmpeg_filter.upscale.stream import OutputOptions, upscale
from tests.ffmpeg_filter.clips import all_same, filtered, raws, same
from tests.plugin.clips import moving
from vsadcvsr.errors import FormatError, UsageError, WeightsError

FORMATS = [
    vs.YUV420P8, vs.YUV410P8, vs.YUV422P10, vs.YUV444P16, vs.YUV444PS, vs.RGB24, vs.RGB48, vs.RGBS, vs.GRAY8, vs.GRAY16,
]  # fmt: skip


def grey(value: int = 100, width: int = 8, height: int = 4, tag: object = None) -> RawFrame:
    return RawFrame(VideoFormat("GRAY", 8), width, height, (np.full((height, width), value, np.uint8),), tag=tag)


def ours_of_all_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "adcvsr"]


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: vs.PresetVideoFormat(format).name)
def test_frames_of_every_format_have_the_bits_and_the_properties_of_the_filter(format: int) -> None:
    clip = moving(format, length=2)
    ours = list(upscale(raws(clip), model="nearest"))
    assert all_same(ours, filtered(clip, model="nearest"))


@pytest.mark.parametrize("model", ["nearest-temporal", "fast"])
def test_networks_that_look_ahead_give_the_bits_of_the_filter(model: str) -> None:
    clip = moving(length=9)
    ours = list(upscale(raws(clip), model=model, scale=2))
    assert [raw.tag for raw in ours] == list(range(9))
    assert all_same(ours, filtered(clip, model=model, scale=2))


@pytest.mark.parametrize("options", [{"scale": 1}, {"scale": 2}, {"scale": 3}, {}, {"width": 48}], ids=str)
def test_networks_of_every_scale_give_the_bits_of_the_filter(options: OutputOptions) -> None:
    clip = moving(length=5)
    ours = list(upscale(raws(clip), model="nearest-temporal-scales", **options))
    assert all_same(ours, filtered(clip, model="nearest-temporal-scales", **options))


@pytest.mark.parametrize("options", [{"matrix": 9}, {"width": 60, "height": 30}, {"scale": 3}])
def test_options_are_those_of_the_filter(options: OutputOptions) -> None:
    clip = moving(length=2, matrix=None).std.SetFrameProps(_SARNum=4, _SARDen=3, _Range=1, mine=5)
    ours = list(upscale(raws(clip), model="nearest", **options))
    assert all_same(ours, filtered(clip, model="nearest", **options))


def test_another_format_has_the_bits_of_the_filter() -> None:
    clip = moving(length=1)
    (ours,) = upscale(raws(clip), model="nearest", format="yuv444p16le")
    (theirs,) = filtered(clip, model="nearest", format=vs.YUV444P16)
    assert same(ours, theirs)


def test_a_cut_that_the_frames_name_is_a_cut() -> None:
    clip = moving(length=6)
    cut = vs.core.std.Splice([clip[:3], clip[3].std.SetFrameProps(_SceneChangePrev=1), clip[4:]])
    ours = list(upscale(raws(cut), model="nearest-temporal"))
    assert all_same(ours, filtered(cut, model="nearest-temporal"))


def test_frames_come_as_they_are_asked_for_and_only_a_few_are_read_ahead() -> None:
    read = []

    def endless() -> Iterator[RawFrame]:
        for n in range(10**6):
            read.append(n)
            yield grey(tag=n)

    output = upscale(endless(), model="nearest")
    assert [next(output).tag for _ in range(3)] == [0, 1, 2]
    output.close()
    assert 3 <= len(read) < 20


def test_what_has_come_out_is_not_kept() -> None:
    class Tag:
        pass

    tags = weakref.WeakSet[Tag]()
    most = 0

    def tagged() -> Iterator[RawFrame]:
        for _ in range(60):
            tag = Tag()
            tags.add(tag)
            yield grey(tag=tag)

    for _ in upscale(tagged(), model="nearest-temporal"):
        most = max(most, len(tags))
    assert most < 20


def test_without_frames_nothing_is_upscaled() -> None:
    assert list(upscale([], model="nearest")) == []


def test_what_reading_raises_is_raised_behind_the_pictures_of_what_was_read() -> None:
    def failing() -> Iterator[RawFrame]:
        yield from (grey(tag=n) for n in range(5))
        raise OSError("the disk is gone")

    output = upscale(failing(), model="nearest-temporal")
    assert [next(output).tag for _ in range(5)] == list(range(5))
    with pytest.raises(OSError, match="the disk is gone"):
        next(output)
    assert not ours_of_all_threads()


def test_what_the_network_raises_is_raised() -> None:
    unsound = RawFrame(VideoFormat("GRAY", 32, is_float=True), 4, 4, (np.full((4, 4), np.nan, np.float32),))
    with pytest.raises(FormatError, match="NaN"):
        list(upscale([unsound], model="nearest"))
    assert not ours_of_all_threads()


def test_leaving_early_ends_the_threads() -> None:
    output = upscale(repeat(grey()), model="nearest")
    next(output)
    assert len(ours_of_all_threads()) == 3
    output.close()
    assert not ours_of_all_threads()


def test_items_are_closed_on_the_thread_that_made_them() -> None:
    seen = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            seen.append(threading.current_thread())

    items = prefetch(numbers(), 2)
    assert next(items) == 0
    items.close()
    assert len(seen) == 1
    assert seen[0] is not threading.current_thread()


def test_a_change_of_size_is_refused_in_one_line() -> None:
    with pytest.raises(FormatError, match="frame 1 is 6x4 GRAY 8 bit, but the first one is 8x4 GRAY 8 bit"):
        list(upscale([grey(), grey(width=6)], model="nearest"))


def test_interlaced_frames_are_refused_in_one_line() -> None:
    with pytest.raises(FormatError, match=r"^frame 0 is interlaced .* deinterlace first"):
        list(upscale([replace(grey(), props={"_FieldBased": 2})], model="nearest"))


def test_wrong_options_are_refused_before_a_frame_is_read() -> None:
    with pytest.raises(WeightsError, match="nearest"):
        upscale(repeat(grey()), model="nearset")
    with pytest.raises(FormatError, match="yuv420p10le"):
        upscale(repeat(grey()), model="nearest", format="yuv420p10")
    with pytest.raises(UsageError, match="change the colour range"):
        upscale(repeat(grey()), model="nearest", format="yuvj420p")


def test_planes_of_another_size_are_refused() -> None:
    with pytest.raises(FormatError, match=r"planes are \[\(8, 4\)\].* allowed: \[\(6, 4\)\]"):
        replace(grey(), width=6)
