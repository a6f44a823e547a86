"""What FFmpeg's `showinfo` filter says of each frame: all that is lost on the pipe. Pure.

Raw video is pixels and nothing else; the filter prints times, colours, fields and HDR metadata line by line on standard
error, before the frame itself is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from fractions import Fraction

NAME = "showinfo@adcvsr"
"""The filter as it stands in the decoder's graph, so that a user's own `showinfo` is not taken for it."""

MATRICES = {
    "gbr": 0, "bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "ycgco": 8, "bt2020nc": 9,
    "bt2020c": 10, "smpte2085": 11, "chroma-derived-nc": 12, "chroma-derived-c": 13, "ictcp": 14,
}  # fmt: skip
TRANSFERS = {
    "bt709": 1, "bt470m": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "linear": 8, "log100": 9, "log316": 10,
    "iec61966-2-4": 11, "bt1361e": 12, "iec61966-2-1": 13, "bt2020-10": 14, "bt2020-12": 15, "smpte2084": 16,
    "smpte428": 17, "arib-std-b67": 18,
}  # fmt: skip
PRIMARIES = {
    "bt709": 1, "bt470m": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "film": 8, "bt2020": 9, "smpte428": 10,
    "smpte431": 11, "smpte432": 12, "ebu3213": 22, "jedec-p22": 22,
}  # fmt: skip
LOCATIONS = {"left": 0, "center": 1, "topleft": 2, "top": 3, "bottomleft": 4, "bottom": 5}
RANGES = {"tv": "limited", "pc": "full"}
HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
"""Transfers that the networks were not trained on."""

CAPTIONS, PACKING = "closed captions", "frame packing (stereo 3D)"
ROTATION, SPHERE = "the display matrix (rotation)", "the spherical projection"
PROFILE, EXIF, HDR10_PLUS = "the ICC profile", "EXIF metadata", "HDR10+ metadata"
SIDE_DATA = {
    "closed captions": CAPTIONS,
    "displaymatrix": ROTATION,
    "stereo": PACKING,
    "icc profile": PROFILE,
    "side data type 15 ": PROFILE,  # FFmpeg 5.1 has no name for it
    "exif": EXIF,
    "hdr10+": HDR10_PLUS,
    "hdr vivid": "HDR Vivid metadata",
    "timecode": "timecodes",
    "spherical": SPHERE,
    "afd": "the active format description",
    "active format": "the active format description",
}
"""What the names that `showinfo` of any release has for side data begin or contain (lower case), and our names."""


@dataclass(frozen=True)
class Mastering:
    """The display that a film was graded on: (x, y) of red, green, blue and white, and luminance in cd/m2."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]
    darkest: float
    brightest: float


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One frame: `pts` and `duration` in units of `time_base` seconds, None where unknown; names as FFmpeg's."""

    pts: int | None
    duration: int | None
    time_base: Fraction
    format: str
    width: int
    height: int
    sar: Fraction | None
    field: str  # P, T or B
    number: int = 0
    """Of the frame, from 0; the count begins again where the source changes its size or format."""
    rate: Fraction | None = None
    """Frames a second, as the filter before says; None where it says that they are not known."""
    is_key: bool = True
    location: str | None = None
    range: str | None = None
    matrix: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    mastering: Mastering | None = None
    light: tuple[int, int] | None = None  # MaxCLL, MaxFALL in cd/m2
    dolby_vision: bool = False
    rotation: float | None = None
    """Degrees of the display matrix, counterclockwise."""
    packing: str | None = None
    """How two views are packed in it."""
    sphere: tuple[float, float, float] | None = None
    """Yaw, pitch and roll (degrees) of an equirectangular picture."""
    side_data: frozenset[str] = frozenset()
    """What else came with it, of the kinds in `SIDE_DATA`."""

    def lost(self, *, rotates: bool) -> frozenset[str]:
        """The kinds of side data that its picture will lack; `rotates` says whether FFmpeg rotates pictures itself."""
        return self.side_data - {ROTATION} if rotates else self.side_data

    @property
    def props(self) -> dict[str, int]:
        """The frame properties of VapourSynth that say the same."""
        found = {
            "_Matrix": MATRICES.get(self.matrix or ""),
            "_Transfer": TRANSFERS.get(self.transfer or ""),
            "_Primaries": PRIMARIES.get(self.primaries or ""),
            "_ChromaLocation": LOCATIONS.get(self.location or ""),
            "_FieldBased": {"P": 0, "B": 1, "T": 2}.get(self.field),
        }
        return {name: value for name, value in found.items() if value is not None}


_LINE = re.compile(rf"\[{re.escape(NAME)} @ \w+\] (?:\[\w+\] )?(.*)")
_CONFIG = re.compile(r"config in time_base: (\d+)/(\d+), frame_rate: (\d+)/(\d+)")
_FRAME = re.compile(r"n:\s*(\d+) pts:\s*(\S+) ")
_COLOR = re.compile(r"color_range:(\S+).*? color_space:(\S+).*? color_primaries:(\S+).*? color_trc:(\S+)")
"""FFmpeg writes this line piece by piece: the words of another thread may stand in it, and break it."""
_PAIR = r"\(\s*([\d.]+)[,\s]\s*([\d.]+)\)"
_MASTERING = re.compile(rf"r{_PAIR} g{_PAIR} b{_PAIR} wp{_PAIR} min_luminance=([\d.]+), max_luminance=([\d.]+)")
_NAME_CHARACTERS = 50
_SIDE = re.compile(r"\s*side data - (.*)")
_ROTATION = re.compile(r"displaymatrix: rotation of (-?[\d.]+) degrees")
_PACKING = re.compile(r"(?:stereoscopic information|Stereo 3D): type - ([a-z ]+[a-z])")
_SPHERE = re.compile(r"(?:spherical information|Spherical Mapping): equirectangular \((.+?)/(.+?)/(.+?)\)")
_LIGHT = re.compile(r"MaxCLL=(\d+), MaxFALL=(\d+)")


@dataclass
class Reader:
    """Puts lines together: `taken` is called with each frame, in order."""

    taken: Callable[[Shown], None]
    _time_base: Fraction = Fraction(1, 90000)
    _rate: Fraction | None = None
    _facts: dict[str, str] = field(default_factory=dict)
    _beside: dict[str, object] = field(default_factory=dict)
    _kinds: set[str] = field(default_factory=set)
    _color: str = ""

    def read(self, line: str) -> bool:
        """Whether the line was one of the filter's, all of which are consumed."""
        found = _LINE.search(line)  # behind a counter of FFmpeg's, now and then
        if not found:
            return False
        words = found[1]
        if config := _CONFIG.match(words):
            over, under, frames, seconds = map(int, config.groups())
            self._time_base = Fraction(over, under)
            self._rate = Fraction(frames, seconds) if frames and seconds else None
        elif _FRAME.match(words):
            self._facts = dict(re.findall(r"(\w+):\s*(\S+)", words))
            self._beside, self._kinds, self._color = {}, set(), ""
        elif words.lstrip().startswith("color_"):
            self._color += f" {words}"
            if color := _COLOR.search(self._color):
                self._color = ""
                self._finish(*color.groups())
        else:
            self._note(words)
        return True

    def _note(self, words: str) -> None:
        if mastering := _MASTERING.search(words):
            values = [float(value) for value in mastering.groups()]
            red, green, blue, white = zip(values[0:8:2], values[1:8:2], strict=True)
            self._beside["mastering"] = Mastering(red, green, blue, white, *values[8:])
        elif light := _LIGHT.search(words):
            self._beside["light"] = (int(light[1]), int(light[2]))
        elif "Dolby Vision" in words:
            self._beside["dolby_vision"] = True
        elif side := _SIDE.match(words):
            self._note_geometry(words)
            self._kinds |= {kind for part, kind in SIDE_DATA.items() if part in side[1][:_NAME_CHARACTERS].lower()}

    def _note_geometry(self, words: str) -> None:
        if rotation := _ROTATION.search(words):
            self._beside["rotation"] = float(rotation[1])
        elif packing := _PACKING.search(words):
            self._beside["packing"] = packing[1] + " (inverted)" * ("(inverted)" in words)
        elif sphere := _SPHERE.search(words):
            self._beside["sphere"] = tuple(map(float, sphere.groups()))

    def _finish(self, range: str, matrix: str, primaries: str, transfer: str) -> None:
        facts, self._facts = self._facts, {}
        if not facts:
            return
        width, _, height = facts["s"].partition("x")
        over, _, under = facts.get("sar", "0/1").partition("/")
        names = {"range": range, "matrix": matrix, "primaries": primaries, "transfer": transfer}
        known = {name: value for name, value in names.items() if value not in {"unknown", "reserved", "unspecified"}}
        self.taken(
            Shown(
                number=int(facts["n"]),
                pts=_whole(facts["pts"]),
                duration=_whole(facts.get("duration", "")) or None,
                time_base=self._time_base,
                format=facts["fmt"],
                width=int(width),
                height=int(height),
                sar=Fraction(int(over), int(under)) if int(over) and int(under) else None,
                field=facts["i"],
                rate=self._rate,
                is_key=facts.get("iskey") != "0",
                location=facts["cl"] if facts.get("cl") in LOCATIONS else None,
                side_data=frozenset(self._kinds),
                **known,  # type: ignore[arg-type]  # all of them text
                **self._beside,  # type: ignore[arg-type]  # as `_note` made them
            )
        )


LOST_KEYS = "-force_key_frames source makes every frame a key frame here, since those of the source are not known"


def lost_words(kinds: Collection[str]) -> str:
    """A warning of side data that the output will lack."""
    return f"of the source's side data, the output will lack: {', '.join(sorted(kinds))}"


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d+", text) else None
