"""Some pictures of a farm's film beside those of its source, for people to look at.

The source's is the frame in front of the network, known by its number and its checksum; the film's is the picture of
the same number in its chunk. What cannot be matched for certain is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import islice

import av
import numpy as np
from numpy.typing import NDArray

from ffmpeg_filter.command import filtergraph
from ffmpeg_filter.farm import intermediate
from ffmpeg_filter.farm.decode import Film, MisalignedError
from ffmpeg_filter.farm.job_context import Kitchen, enter
from vsadcvsr.errors import AdcvsrError, MediaError
from vsadcvsr.farm.monitor.report import Sample
from vsadcvsr.farm.store.chunks import Chunk
from vsadcvsr.farm.store.job import Job, checksum
from vsadcvsr.html_page import embedded

_MOVERS = {"crop", "hflip", "pad", "transpose", "vflip"}
"""Filters behind the network that are allowed in chunks and put pixels elsewhere."""
_WIDTH, _HEIGHT = 1280, 720
"""The most that is shown of a picture."""
_REACH = 2000
"""Frames into a film in which a decoder cannot seek."""
_LIKE = 0.5
"""The correlation of luma below which two pictures are not believed to be the same."""
_UNTAGGED = 2
_HDR = {16, 18}

_ONE = Fraction(1, 25)

type Pixels = NDArray[np.uint8]


class UnmatchedError(MediaError):
    """A picture that cannot be shown, and why."""


def samples(job: Job, count: int) -> tuple[list[Sample], list[str]]:
    """About `count` pictures from all over the film, as far as there are some to show, and why there are no more."""
    if count < 1:
        return [], []
    try:
        enter(job.request)
        gallery = _Gallery(job)
    except (AdcvsrError, OSError) as error:
        return [], [f"no pictures: {error}"]
    made, notes = [], gallery.notes
    for number in gallery.numbers(count):
        try:
            made.append(gallery.sample(number))
        except (AdcvsrError, OSError, av.FFmpegError) as error:
            notes.append(f"frame {number} is left out: {error}")
    return made, notes


class _Gallery:
    """The two ends of a job. Raises UnmatchedError where they cannot be laid one on the other."""

    def __init__(self, job: Job) -> None:
        self._kitchen = kitchen = Kitchen(job)
        recipe, plan = kitchen.recipe, kitchen.plan
        self._is_direct = recipe.mode == "direct"
        moved = _movers(kitchen) if self._is_direct else []
        if moved:
            raise UnmatchedError(f"{moved[0]} behind adcvsr puts pixels elsewhere")
        self._film = Film(kitchen.binary, plan.decoder, kitchen.index, recipe.shift, recipe.run_up)
        self._done = job.done()
        self.notes: list[str] = []

    def numbers(self, count: int) -> list[int]:
        """Frames evenly from all over the film, or from its beginning where later ones take long to come by."""
        frames = len(self._kitchen.index.times)
        reach = frames if self._kitchen.recipe.shift is not None else min(frames, _REACH)
        return sorted({(2 * number + 1) * reach // (2 * count) for number in range(count)})

    def sample(self, number: int) -> Sample:
        """Raises UnmatchedError where that frame's two pictures are not there or not the same."""
        job, index = self._kitchen.job, self._kitchen.index
        chunk = next(one for one in job.chunks if one.begin <= number < one.end)
        source, result = self._source(number), self._result(chunk, number)
        self._describe(result, source)
        if source.color_trc in _HDR and not self.notes:
            self.notes.append("PQ and HLG pictures are shown as they are, without tone mapping")
        shape = (result.width, result.height)
        before, after = _rgb(source, shape, "BICUBIC"), _rgb(result, shape)
        back = _rgb(result, (source.width, source.height), "AREA")
        numbers = _measured(before, after, _rgb(source, (source.width, source.height)), back)
        shown = _middle(before), _middle(after)
        tall, wide = shown[0].shape[:2]
        return Sample(
            frame=number, chunk=chunk.number, at=float(index.seconds[number] - index.seconds[0]), width=wide,
            height=tall, before=_coded(shown[0]), after=_coded(shown[1]), numbers=numbers,
            note="" if (wide, tall) == shape else f"the middle {wide}x{tall} of {shape[0]}x{shape[1]}",
        )  # fmt: skip

    def _describe(self, result: av.VideoFrame, source: av.VideoFrame) -> None:
        """Gives a picture the colours of its source where it does not tell its own."""
        if not self._is_direct:
            result.colorspace, result.color_range = source.colorspace, source.color_range
        elif result.colorspace == _UNTAGGED and not source.format.is_rgb and not result.format.is_rgb:
            result.colorspace = source.colorspace
        if not result.color_range and not source.format.is_rgb:
            result.color_range = source.color_range

    def _source(self, number: int) -> av.VideoFrame:
        for at in self._film.attempts(number):
            try:
                with closing(self._film.frames(number, number + 1, at)) as frames:
                    return next(frames)
            except MisalignedError as error:
                if at is None:
                    raise UnmatchedError(str(error)) from error
        raise AssertionError("the last attempt begins with the film")

    def _result(self, chunk: Chunk, number: int) -> av.VideoFrame:
        line = self._done.get(chunk.number)
        if line is None:
            raise UnmatchedError(f"chunk {chunk.number} is not there")
        path = self._kitchen.job.store / line.file
        if checksum(path) != line.checksum:
            raise UnmatchedError(f"{path.name} is damaged")
        with av.open(str(path)) as file:
            pictures: Iterator[av.VideoFrame] = file.decode(video=0)
            if not self._is_direct:
                pictures = intermediate.read(path, self._kitchen.recipe.pixels)
            found = next(islice(pictures, number - chunk.begin, None), None)
        if found is None:
            raise UnmatchedError(f"{path.name} has too few pictures")
        return found


def _movers(kitchen: Kitchen) -> list[str]:
    told = [
        one.value for one in kitchen.plan.output.options if one.value is not None and filtergraph.mentions(one.value)
    ]
    graphs = [filtergraph.cut(filtergraph.parse(value)) for value in told]
    return [node.name for graph in graphs if graph for _, _, node in graph.after.nodes() if node.name in _MOVERS]


def _rgb(frame: av.VideoFrame, size: tuple[int, int], way: str = "BICUBIC") -> Pixels:
    """8-bit RGB (H, W, 3) at a size (width, height); where the frame does not say how, as FFmpeg would."""
    return np.asarray(frame.reformat(*size, format="rgb24", interpolation=way).to_ndarray(), np.uint8)


def _luma(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(pixels @ np.array([0.2126, 0.7152, 0.0722], np.float32), np.float32)


def _measured(before: Pixels, after: Pixels, source: Pixels, back: Pixels) -> dict[str, str]:
    """Numbers of a picture; `back` is the film's at the source's size. Raises UnmatchedError where they differ much."""
    one, other = _luma(source), _luma(back)
    spread = float(one.std() * other.std())
    if spread < 1e-3:
        raise UnmatchedError("it is plain, and could be any")
    alike = float(((one - one.mean()) * (other - other.mean())).mean()) / spread
    if alike < _LIKE:
        raise UnmatchedError(f"the two have little in common (correlation {alike:.2f})")
    error = float(((one - other) ** 2).mean())
    return {
        "PSNR of the result, shrunk to the source's size, to the source": _decibels(error),
        "Mean step between neighbouring pixels, bicubic": f"{_steps(before):.2f}",
        "Mean step between neighbouring pixels, result": f"{_steps(after):.2f}",
    }


def _decibels(error: float) -> str:
    return f"{10 * np.log10(255**2 / error):.1f} dB" if error > 0 else "equal"


def _steps(pixels: Pixels) -> float:
    plane = _luma(pixels)
    return float(np.abs(np.diff(plane, axis=0)).mean() + np.abs(np.diff(plane, axis=1)).mean()) / 2


def _middle(pixels: Pixels) -> Pixels:
    tall, wide = pixels.shape[:2]
    top, left = max(0, tall - _HEIGHT) // 2, max(0, wide - _WIDTH) // 2
    return np.ascontiguousarray(pixels[top : top + _HEIGHT, left : left + _WIDTH])


def _coded(pixels: Pixels) -> str:
    """A picture as an address that holds it: WebP, or PNG where this build of PyAV has no encoder for that."""
    kind, name, form = ("webp", "libwebp", "bgra") if "libwebp" in av.codecs_available else ("png", "png", "rgb24")
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=form)
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, form
    encoder.time_base = frame.time_base = _ONE
    encoder.options = {"quality": "90"} if kind == "webp" else {}
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return embedded(kind, b"".join(bytes(packet) for packet in packets))
