"""Which streams go into an output: the user's `-map` options, or FFmpeg's own choice, in terms of the second command.

There, input 0 is our pictures, and the user's inputs come after it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ffmpeg_filter.argv import File
from ffmpeg_filter.facts import Input, Stream
from vsadcvsr.errors import UsageError

_MAP = re.compile(r"(-?)(\d+)(?::(.*?))?(\??)$")
_KINDS = {"v": "video", "V": "video", "a": "audio", "s": "subtitle", "d": "data", "t": "attachment"}
_SUBTITLES = {"mkv": "text", "mp4": "text", "m4v": "text", "mov": "text", "webm": "text", "nut": "", "ts": "bitmap"}


@dataclass(frozen=True)
class Numbers:
    """Where the user's inputs are in the second command: by their number in the first; None where not opened again."""

    at: tuple[int | None, ...]

    def of(self, number: int, what: str) -> int:
        """Raises UsageError for an input that cannot be read twice."""
        if number >= len(self.at):
            raise UsageError.of(what, number, f"inputs 0 to {len(self.at) - 1}")
        found = self.at[number]
        if found is None:
            hint = "leave its other streams out (-an, -sn), or save it to a file first"
            raise UsageError.of(what, f"input {number}", "inputs that can be read twice, which a pipe cannot", hint)
        return found


@dataclass(frozen=True)
class Ours:
    """The stream that goes through the engine: its input's number, and itself if that could be looked into."""

    number: int
    stream: Stream | None

    @property
    def specifier(self) -> str:
        """What to map in the first command, where its input is the only one."""
        return f"0:{self.stream.index}" if self.stream else "0:v:0"


def ours_of(output: File, inputs: Sequence[Input]) -> Ours:
    """The stream whose pictures a plain filter of `output` gets. Raises UsageError where there is none."""
    maps = [option.value or "" for option in output.options if option.name == "map"]
    for number, stream in (found for value in maps for found in _matched(value, inputs)):
        if stream is None or (stream.kind == "video" and not stream.is_cover):
            return Ours(number, stream)
    if maps:
        raise UsageError.of("-map", " ".join(maps), "a video stream for adcvsr among what is mapped")
    known = [(number, best) for number, one in enumerate(inputs) if (best := one.best_video())]
    if known:
        number, stream = max(known, key=lambda found: (not found[1].is_cover, found[1].pixels, -found[0]))
        return Ours(number, stream)
    unknown = [number for number, one in enumerate(inputs) if not one.streams]
    if unknown:
        return Ours(unknown[0], None)
    raise UsageError.of("adcvsr", "without a video stream in the inputs", "an input with video")


def mapped(value: str, ours: Ours | None, inputs: Sequence[Input], numbers: Numbers) -> list[str]:
    """The values of `-map` in the second command for one in the first."""
    found = _MAP.match(value)
    if not found or value.startswith("["):
        return [value]
    minus, number, specifier, doubt = found.groups()
    streams = [stream for _, stream in _matched(value.removeprefix("-"), inputs)]
    if ours is None or int(number) != ours.number or not any(_is_ours(stream, ours) for stream in streams):
        colon = "" if specifier is None else f":{specifier}"
        return [f"{minus}{numbers.of(int(number), '-map')}{colon}{doubt}"]
    if minus:
        raise UsageError.of("-map", value, "maps that leave the stream of adcvsr in")
    return ["0:v:0" if _is_ours(one, ours) else _single(one, int(number), numbers) for one in streams]


def _single(stream: Stream | None, number: int, numbers: Numbers) -> str:
    assert stream is not None
    return f"{numbers.of(number, '-map')}:{stream.index}"


def chosen(output: File, ours: Ours | None, inputs: Sequence[Input], numbers: Numbers) -> list[str]:
    """What FFmpeg would map by itself: one video, one audio, and one subtitle stream that the container takes."""
    off = {option.name for option in output.options}
    values = []
    if ours:
        values.append("0:v:0")
    elif "vn" not in off and (video := _best(inputs, "video")):
        values.append(f"{numbers.of(video[0], 'input')}:{video[1].index}")
    if "an" not in off:
        if audio := _best(inputs, "audio"):
            values.append(f"{numbers.of(audio[0], 'input')}:{audio[1].index}")
        _check_unknown(ours, inputs, numbers)
    if "sn" not in off and (subtitle := _subtitle(output, inputs)):
        values.append(f"{numbers.of(subtitle[0], 'input')}:{subtitle[1].index}")
    return values


def _check_unknown(ours: Ours | None, inputs: Sequence[Input], numbers: Numbers) -> None:
    """A pipe may hold audio that would be left out without a word."""
    for number, one in enumerate(inputs):
        if not one.streams and ours and ours.number == number:
            numbers.of(number, "audio")


def _best(inputs: Sequence[Input], kind: str) -> tuple[int, Stream] | None:
    found = [
        (number, best)
        for number, one in enumerate(inputs)
        if (best := one.best_video() if kind == "video" else one.best_audio())
    ]
    return max(found, key=lambda one: (one[1].pixels, one[1].is_default, one[1].channels), default=None)


def _subtitle(output: File, inputs: Sequence[Input]) -> tuple[int, Stream] | None:
    codec = output.last("c:s") or output.last("c")
    kind = _SUBTITLES.get(output.url.rpartition(".")[2].lower(), "")
    for number, one in enumerate(inputs):
        for stream in one.of_kind("subtitle"):
            if codec or kind == ("bitmap" if stream.is_bitmap else "text"):
                return number, stream
    return None


def _is_ours(stream: Stream | None, ours: Ours) -> bool:
    return stream is None or ours.stream is None or stream.index == ours.stream.index


def _matched(value: str, inputs: Sequence[Input]) -> list[tuple[int, Stream | None]]:
    """The streams that a value of `-map` speaks of; None for one that nothing is known of but that it is video."""
    found = _MAP.match(value)
    if not found or found[1] or int(found[2]) >= len(inputs):
        return []
    number, specifier = int(found[2]), found[3]
    kind, _, place = (specifier or "").partition(":")
    one = inputs[number]
    if not one.streams:
        return [(number, None)] if kind in {"v", "V", "", "0"} else []
    streams: Sequence[Stream] = one.streams
    if kind in _KINDS:
        streams = [stream for stream in one.of_kind(_KINDS[kind]) if kind != "V" or not stream.is_cover]
        kind = place
    if kind.isdecimal():
        streams = [stream for index, stream in enumerate(streams) if index == int(kind)]
    elif kind:
        return []
    return [(number, stream) for stream in streams]
