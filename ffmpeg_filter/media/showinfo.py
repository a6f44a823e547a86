"""Output of FFmpeg's `showinfo` filter: everything about a frame that raw video does not carry. Pure.

The filter prints timestamps, color tags, field order and HDR metadata on standard error before each frame is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from fractions import Fraction

FILTER = "showinfo@adcvsr"
"""The filter's instance name in the decoder's graph, to tell it from the user's own `showinfo`."""

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
"""Transfer functions that the networks were not trained on."""

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
"""Substrings (lower case) of side data names in `showinfo` of any release, and names for users."""


@dataclass(frozen=True)
class Mastering:
    """Mastering display: (x, y) of primaries and white point, luminance in cd/m2."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]
    darkest: float
    brightest: float


@dataclass(frozen=True, kw_only=True)
class FrameInfo:
    """Facts of one frame, with FFmpeg's names."""

    pts: int | None
    """In ticks; None if unknown."""
    duration: int | None
    """In ticks; None if unknown."""
    time_base: Fraction
    """Seconds per tick."""
    format: str
    width: int
    height: int
    sar: Fraction | None
    field: str  # P, T or B
    number: int = 0
    """Frame number; it restarts when size or format change."""
    rate: Fraction | None = None
    """Frames per second; None if unknown."""
    location: str | None = None
    range: str | None = None
    matrix: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    mastering: Mastering | None = None
    content_light: tuple[int, int] | None = None  # MaxCLL, MaxFALL in cd/m2
    dolby_vision: bool = False
    rotation: float | None = None
    """Degrees of the display matrix, counterclockwise."""
    packing: str | None = None
    """How two views are packed in it."""
    sphere: tuple[float, float, float] | None = None
    """Yaw, pitch and roll (degrees) of an equirectangular picture."""
    side_data: frozenset[str] = frozenset()
    """Other side data, as kinds of `SIDE_DATA`."""

    def lost_side_data(self, *, rotates: bool) -> frozenset[str]:
        """Side data that the output will lack; `rotates` tells whether FFmpeg rotates the frames."""
        return self.side_data - {ROTATION} if rotates else self.side_data

    @property
    def props(self) -> dict[str, int]:
        """The same as VapourSynth frame properties."""
        values = {
            "_Matrix": MATRICES.get(self.matrix or ""),
            "_Transfer": TRANSFERS.get(self.transfer or ""),
            "_Primaries": PRIMARIES.get(self.primaries or ""),
            "_ChromaLocation": LOCATIONS.get(self.location or ""),
            "_FieldBased": {"P": 0, "B": 1, "T": 2}.get(self.field),
        }
        return {name: value for name, value in values.items() if value is not None}


_LINE = re.compile(rf"\[{re.escape(FILTER)} @ \w+\] (?:\[\w+\] )?(.*)")
_UNPREFIXED = re.compile(
    r"config in time_base: .*|(?P<frame>n:\s*(?P<number>\d+) pts:\s*\S+ .*)|(?P<part> *side data - .*|color_[a-z]+:.*)"
)
"""The filter's text in a line that another thread had begun: FFmpeg writes no prefix before the line has ended."""
_CONFIG = re.compile(r"config in time_base: (\d+)/(\d+), frame_rate: (\d+)/(\d+)")
_FRAME = re.compile(r"n:\s*(\d+) pts:\s*(\S+) ")
_COLOR = re.compile(r"color_range:(\S+).*? color_space:(\S+).*? color_primaries:(\S+).*? color_trc:(\S+)")
"""FFmpeg writes this line in parts, so other threads' output may be inside it."""
_PAIR = r"\(\s*([\d.]+)[,\s]\s*([\d.]+)\)"
_MASTERING = re.compile(rf"r{_PAIR} g{_PAIR} b{_PAIR} wp{_PAIR} min_luminance=([\d.]+), max_luminance=([\d.]+)")
_NAME_CHARACTERS = 50
_SIDE = re.compile(r"\s*side data - (.*)")
_ROTATION = re.compile(r"displaymatrix: rotation of (-?[\d.]+) degrees")
_PACKING = re.compile(r"(?:stereoscopic information|Stereo 3D): type - ([a-z ]+[a-z])")
_SPHERE = re.compile(r"(?:spherical information|Spherical Mapping): equirectangular \((.+?)/(.+?)/(.+?)\)")
_LIGHT = re.compile(r"MaxCLL=(\d+), MaxFALL=(\d+)")


@dataclass
class ShowinfoParser:
    """Parser of `showinfo` lines; calls `on_frame` with each frame, in order."""

    on_frame: Callable[[FrameInfo], None]
    _time_base: Fraction = Fraction(1, 90000)
    _rate: Fraction | None = None
    _fields: dict[str, str] = field(default_factory=dict)
    _metadata: dict[str, object] = field(default_factory=dict)
    _side_data: set[str] = field(default_factory=set)
    _color: str = ""
    _next_number: int = 0
    _is_configured: bool = False

    def parse_line(self, line: str) -> bool:
        """Whether the line is from the filter; such lines are consumed."""
        match = _LINE.search(line)  # sometimes after FFmpeg's statistics
        text = match[1] if match else self._unprefixed(line)
        if text is None:
            return False
        if config := _CONFIG.match(text):
            over, under, frames, seconds = map(int, config.groups())
            self._time_base = Fraction(over, under)
            self._rate = Fraction(frames, seconds) if frames and seconds else None
            self._is_configured = True
        elif frame := _FRAME.match(text):
            self._fields = dict(reversed(re.findall(r"(\w+):\s*(\S+)", text)))  # the first, if others' text follows
            self._next_number = int(frame[1]) + 1
            self._metadata, self._side_data, self._color = {}, set(), ""
        elif text.lstrip().startswith("color_"):
            self._color += f" {text}"
            if color := _COLOR.search(self._color):
                self._color = ""
                self._emit(*color.groups())
        else:
            self._parse_side_data(text)
        return True

    def _unprefixed(self, line: str) -> str | None:
        """The filter's text in a line without its prefix; None if there is none, or it is not what must come next."""
        match = _UNPREFIXED.search(line)
        if not match or "showinfo" in line:
            return None
        if match["frame"]:
            is_next = int(match["number"]) in {0, self._next_number}
        else:
            is_next = bool(self._fields) if match["part"] else not self._is_configured
        return match[0] if is_next else None

    def _parse_side_data(self, text: str) -> None:
        if mastering := _MASTERING.search(text):
            values = [float(value) for value in mastering.groups()]
            red, green, blue, white = zip(values[0:8:2], values[1:8:2], strict=True)
            self._metadata["mastering"] = Mastering(red, green, blue, white, *values[8:])
        elif light := _LIGHT.search(text):
            self._metadata["content_light"] = (int(light[1]), int(light[2]))
        elif "Dolby Vision" in text:
            self._metadata["dolby_vision"] = True
        elif side_data := _SIDE.match(text):
            self._parse_geometry(text)
            self._side_data |= {
                kind for part, kind in SIDE_DATA.items() if part in side_data[1][:_NAME_CHARACTERS].lower()
            }

    def _parse_geometry(self, text: str) -> None:
        if rotation := _ROTATION.search(text):
            self._metadata["rotation"] = float(rotation[1])
        elif packing := _PACKING.search(text):
            self._metadata["packing"] = packing[1] + " (inverted)" * ("(inverted)" in text)
        elif sphere := _SPHERE.search(text):
            self._metadata["sphere"] = tuple(map(float, sphere.groups()))

    def _emit(self, range: str, matrix: str, primaries: str, transfer: str) -> None:
        fields, self._fields = self._fields, {}
        if not fields:
            return
        width, _, height = fields["s"].partition("x")
        over, _, under = fields.get("sar", "0/1").partition("/")
        names = {"range": range, "matrix": matrix, "primaries": primaries, "transfer": transfer}
        known = {name: value for name, value in names.items() if value not in {"unknown", "reserved", "unspecified"}}
        self.on_frame(
            FrameInfo(
                number=int(fields["n"]),
                pts=_to_int(fields["pts"]),
                duration=_to_int(fields.get("duration", "")),
                time_base=self._time_base,
                format=fields["fmt"],
                width=int(width),
                height=int(height),
                sar=Fraction(int(over), int(under)) if int(over) and int(under) else None,
                field=fields["i"],
                rate=self._rate,
                location=fields["cl"] if fields.get("cl") in LOCATIONS else None,
                side_data=frozenset(self._side_data),
                **known,  # type: ignore[arg-type]  # all of them text
                **self._metadata,  # type: ignore[arg-type]  # typed by `_parse_side_data`
            )
        )


LOST_KEYFRAMES_WARNING = (
    "-force_key_frames source makes every frame a key frame here, since those of the source are not known"
)


def lost_side_data_warning(kinds: Collection[str]) -> str:
    """A warning about side data that the output will lack."""
    return f"of the source's side data, the output will lack: {', '.join(sorted(kinds))}"


def _to_int(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d+", text) else None
