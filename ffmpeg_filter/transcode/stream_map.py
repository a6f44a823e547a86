"""Which streams go into an output: the user's `-map` options, or FFmpeg's own choice, in terms of the second command.

There, input 0 is our pictures, and the user's inputs come after it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ffmpeg_filter.command import containers
from ffmpeg_filter.command.argv import File, Option
from ffmpeg_filter.media.probe import RANKS, Input, Stream
from vsadcvsr.errors import UsageError

PICTURES = "0:v:0"
"""Our stream in the second command."""
_MAP = re.compile(r"(-?)(\d+)(?::(.*?))?(\??)$")
_KINDS = {"v": "video", "V": "video", "a": "audio", "s": "subtitle", "d": "data", "t": "attachment"}
_FIRST_VIDEO = {"v", "V", "0", "v:0", "V:0", ""}
"""What a stream that nothing is known of may be called, if it is to be the video."""

type Found = tuple[int, Stream | None]
"""A stream and the number of its input; None for one that nothing is known of but that it is video."""


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
            hint = "leave its other streams out (-an, or -map 0:v), or save it to a file first"
            raise UsageError.of(what, f"input {number}", "inputs that can be read twice, which a pipe cannot", hint)
        return found


@dataclass(frozen=True)
class Ours:
    """The stream that goes through the engine: its input's number, and itself if that could be looked into.

    `place` is its place among the output's video streams, `repeats` how often it is there before as it is.
    """

    number: int
    stream: Stream | None
    place: int = 0
    repeats: int = 0

    @property
    def specifier(self) -> str:
        """What to map in the first command, where its input is the only one."""
        return f"0:{self.stream.index}" if self.stream else "0:v:0"


def ours_of(option: Option, output: File, inputs: Sequence[Input]) -> Ours:
    """The stream whose pictures the filter `option` of `output` gets. Raises UsageError where that is not one."""
    if any(one.name == "vn" for one in output.options):
        raise UsageError.of("-vn", "beside adcvsr", "an output with video")
    maps = [one.value or "" for one in output.options if one.name == "map"]
    videos = _mapped_videos(maps, inputs) if maps else _best_video(inputs)
    if not videos:
        given = f"-map {' '.join(maps)}" if maps else "inputs without video"
        raise UsageError.of("adcvsr", given, "a video stream among what is mapped")
    place = _place(option, videos)
    number, stream = videos[place]
    return Ours(number, stream, place, sum(one == videos[place] for one in videos[:place]))


def fits(option: Option, ours: Ours) -> bool:
    """Whether an option of our output speaks of our stream, alone or among others."""
    kind, _, place = option.specifier.partition(":")
    return kind in {"", "v", "V"} and place in {"", str(ours.place)}


def _place(option: Option, videos: Sequence[Found]) -> int:
    """Which of an output's video streams the filter is for; covers are passed by."""
    wanted = option.specifier.partition(":")[2]
    if wanted.isdecimal():
        if int(wanted) >= len(videos):
            raise UsageError.of(option.word, wanted, f"0 to {len(videos) - 1}, the output's video streams")
        return int(wanted)
    films = [place for place, (_, stream) in enumerate(videos) if not stream or not stream.is_cover] or [0]
    if len(films) > 1:
        hint = f"name the one: -filter:v:{films[0]}"
        raise UsageError.of(option.word, f"for {len(films)} video streams", "one stream", hint)
    return films[0]


def _best_video(inputs: Sequence[Input]) -> list[Found]:
    if best := _best(inputs, "video"):
        return [best]
    unknown: list[Found] = [(number, None) for number, one in enumerate(inputs) if not one.streams]
    return unknown[:1]


def _mapped_videos(maps: Sequence[str], inputs: Sequence[Input]) -> list[Found]:
    """The video streams of an output, in order."""
    found: list[Found] = []
    for value in maps:
        streams = matched(value, inputs)
        if value.startswith("-"):
            found = [one for one in found if one not in streams]
        else:
            found += [one for one in streams if one[1] is None or one[1].kind == "video"]
    return found


class Maps:
    """The values of `-map` of one output in the second command, one after the other."""

    def __init__(self, ours: Ours | None, inputs: Sequence[Input], numbers: Numbers) -> None:
        self._ours, self._inputs, self._numbers = ours, inputs, numbers
        self._repeats = ours.repeats if ours else 0

    def of(self, value: str) -> list[str]:
        """The values there for one here; labels stay."""
        found = _MAP.match(value)
        if not found:
            return [value]
        minus, number, specifier, doubt = found.groups()
        ours = self._ours
        streams = matched(value, self._inputs)
        if ours and ours.number == int(number):
            self._check(value, specifier or "")
        if not ours or (ours.number, ours.stream) not in streams:
            colon = "" if specifier is None else f":{specifier}"
            return [f"{minus}{self._numbers.of(int(number), '-map')}{colon}{doubt}"]
        if minus:
            raise UsageError.of("-map", value, "maps that leave the stream of adcvsr in")
        if ours.stream is None:
            return self._unknown(int(number), specifier or "")
        return [self._single(number, stream) for number, stream in streams]

    def _check(self, value: str, specifier: str) -> None:
        """Raises UsageError where our stream may be meant and would go past us."""
        assert self._ours is not None
        streams = self._inputs[self._ours.number].streams
        if streams and _specified(specifier, streams) is None:
            raise UsageError.of(
                "-map", value, "streams by number, kind or metadata, such as 0:v, 0:a:1, 0:m:language:eng"
            )

    def _unknown(self, number: int, specifier: str) -> list[str]:
        if specifier:
            return [PICTURES]
        at = self._numbers.of(number, "-map")
        return [PICTURES, str(at), f"-{at}:v:0"]

    def _single(self, number: int, stream: Stream | None) -> str:
        assert stream is not None, "its input has been looked into"
        assert self._ours is not None
        if stream == self._ours.stream:
            self._repeats -= 1
            if self._repeats == -1:
                return PICTURES
        return f"{self._numbers.of(number, '-map')}:{stream.index}"


def chosen(output: File, ours: Ours | None, inputs: Sequence[Input], numbers: Numbers) -> Iterator[str]:
    """What FFmpeg would map by itself: one video, one audio, and one subtitle stream that the container takes."""
    off = {option.name for option in output.options}
    if ours:
        yield PICTURES
    elif "vn" not in off and containers.holds(output, "video"):
        yield from _one("video", inputs, numbers)
    if "an" not in off and containers.holds(output, "audio"):
        yield from _one("audio", inputs, numbers)
    if "sn" not in off and (subtitle := _subtitle(output, inputs)):
        yield f"{numbers.of(subtitle[0], 'subtitles')}:{subtitle[1].index}"


def check_pipes(output: File, inputs: Sequence[Input], numbers: Numbers) -> None:
    """Raises UsageError where FFmpeg would take audio from a pipe by itself, which would be lost without a word."""
    if containers.holds(output, "audio") and not any(option.name == "an" for option in output.options):
        list(_one("audio", inputs, numbers))


def _one(kind: str, inputs: Sequence[Input], numbers: Numbers) -> Iterator[str]:
    for number, one in enumerate(inputs):
        if not one.streams:
            at = numbers.of(number, kind)
            if not _best(inputs, kind):
                yield f"{at}:{kind[0]}:0?"
                return
    if best := _best(inputs, kind):
        yield f"{numbers.of(best[0], kind)}:{best[1].index}"


def _best(inputs: Sequence[Input], kind: str) -> tuple[int, Stream] | None:
    found = [(number, stream) for number, one in enumerate(inputs) for stream in one.of_kind(kind)]
    return max(found, key=lambda one: (RANKS[kind](one[1]), -one[0], -one[1].index), default=None)


def _subtitle(output: File, inputs: Sequence[Input]) -> tuple[int, Stream] | None:
    for number, one in enumerate(inputs):
        for stream in one.of_kind("subtitle"):
            if containers.takes_subtitles(output, bitmaps=stream.is_bitmap):
                return number, stream
    return None


def matched(value: str, inputs: Sequence[Input]) -> list[Found]:
    """The streams that a value of `-map` speaks of, as far as that can be told."""
    found = _MAP.match(value)
    if not found or int(found[2]) >= len(inputs):
        return []
    number, specifier = int(found[2]), found[3] or ""
    if not inputs[number].streams:
        return [(number, None)] if specifier in _FIRST_VIDEO else []
    return [(number, stream) for stream in _specified(specifier, inputs[number].streams) or ()]


def _specified(specifier: str, streams: Sequence[Stream]) -> Sequence[Stream] | None:
    """Those of the streams that a stream specifier means; None for one that is not understood here."""
    kind, _, rest = specifier.partition(":")
    if not specifier:
        return streams
    if specifier.isdecimal():
        return streams[int(specifier) : int(specifier) + 1]
    if kind in _KINDS:
        return _specified(rest, [one for one in streams if one.kind == _KINDS[kind] and not _is_passed(kind, one)])
    if kind == "m":
        key, colon, wanted = rest.partition(":")
        return [one for one in streams if key in one.tags and (not colon or one.tags[key] == wanted)]
    return None


def _is_passed(kind: str, stream: Stream) -> bool:
    return kind == "V" and stream.is_cover
