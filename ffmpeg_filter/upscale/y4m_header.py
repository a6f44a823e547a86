"""YUV4MPEG2 header line. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ffmpeg_filter.media.frame import Property, RawFrame, VideoFormat
from vsadcvsr.errors import FormatError, UsageError, near_misses
from vsadcvsr.plugin.output_shape import MAX_SIDE

MAGIC = "YUV4MPEG2"
_SUBSAMPLINGS = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
_DEPTHS = (9, 10, 12, 14, 16)
_LOCATIONS = {"420mpeg2": 0, "420jpeg": 1, "420paldv": 2}
"""Chroma locations in VapourSynth's numbers. Plain 420 has none: programs disagree."""
_MAX_DIGITS = 9
_RANGES = {"XCOLORRANGE=LIMITED": 0, "XCOLORRANGE=FULL": 1}

FORMATS = {
    **{tag: VideoFormat("YUV", 8, (1, 1)) for tag in (*_LOCATIONS, "420")},
    **{
        tag: VideoFormat("YUV", 8, subsampling)
        for tag, subsampling in {"422": (1, 0), "411": (2, 0), "440": (0, 1), "410": (2, 2)}.items()
    },
    **{tag: VideoFormat("YUV", 8) for tag in ("444", "444alpha")},
    **{
        f"{tag}p{bits}": VideoFormat("YUV", bits, subsampling)
        for tag, subsampling in _SUBSAMPLINGS.items()
        for bits in _DEPTHS
    },
    "mono": VideoFormat("GRAY", 8),
    **{f"mono{bits}": VideoFormat("GRAY", bits) for bits in _DEPTHS},
}
"""Formats of the `C` tag."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header line. Texts are tag values without their letter, empty if the tag is missing."""

    width: int
    height: int
    rate: str = ""
    interlacing: str = ""
    aspect: str = ""
    chroma: str = ""
    others: tuple[str, ...] = ()
    """Other tags, whole and in order."""

    @classmethod
    def parse(cls, line: str) -> Header:
        """Parses the line. Raises FormatError."""
        magic, *tags = line.split(" ")
        known = {tag[0]: tag[1:] for tag in tags if tag[:1] and tag[0] in "WHFIAC"}
        sizes = [known.get(letter, "") for letter in "WH"]
        if magic != MAGIC or not all(size.isdecimal() and len(size) <= _MAX_DIGITS and int(size) for size in sizes):
            raise FormatError(f"input begins with {line[:60]!r}, expected: {MAGIC} W… H… with a width and a height")
        if max(map(int, sizes)) > MAX_SIDE:
            raise FormatError(f"frames are {sizes[0]}x{sizes[1]}, allowed: up to {MAX_SIDE}x{MAX_SIDE}")
        header = cls(
            width=int(sizes[0]),
            height=int(sizes[1]),
            rate=known.get("F", ""),
            interlacing=known.get("I", ""),
            aspect=known.get("A", ""),
            chroma=known.get("C", ""),
            others=tuple(tag for tag in tags if tag and tag[0] not in "WHFIAC"),
        )
        if header.chroma and header.chroma not in FORMATS:
            hint = near_misses(header.chroma, FORMATS) or "convert it first, with -pix_fmt"
            raise FormatError(f"colour space is C{header.chroma}, allowed: {', '.join(FORMATS)}; {hint}")
        return header

    def __str__(self) -> str:
        texts = zip("FIAC", (self.rate, self.interlacing, self.aspect, self.chroma), strict=True)
        tags = [letter + text for letter, text in texts if text]
        return " ".join([MAGIC, f"W{self.width}", f"H{self.height}", *tags, *self.others])

    @property
    def format(self) -> VideoFormat:
        return FORMATS[self.chroma or "420jpeg"]

    @property
    def has_alpha(self) -> bool:
        return self.chroma == "444alpha"

    @property
    def props(self) -> dict[str, Property]:
        """Frame properties of all frames."""
        location = _LOCATIONS.get(self.chroma or "420jpeg")
        props: dict[str, Property] = {} if location is None else {"_ChromaLocation": location}
        for tag in self.others:
            if tag in _RANGES:
                props["_Range"] = _RANGES[tag]
        number, _, divisor = self.aspect.partition(":")
        if number.isdecimal() and divisor.isdecimal() and int(number) and int(divisor):
            props |= {"_SARNum": int(number), "_SARDen": int(divisor)}
        return props

    def for_output(self, raw: RawFrame) -> Header:
        """The header for upscaled frames like `raw`. Raises UsageError."""
        props, others, chroma = raw.props, self.others, self.chroma
        if (raw.format, raw.alpha is not None) != (self.format, self.has_alpha):
            chroma = _tag_of(raw)
            others = tuple(tag for tag in others if not tag.startswith("XYSCSS="))
        aspect = f"{props['_SARNum']}:{props['_SARDen']}" if "_SARNum" in self.props else self.aspect
        return replace(self, width=raw.width, height=raw.height, aspect=aspect, chroma=chroma, others=others)


def _tag_of(raw: RawFrame) -> str:
    location = raw.props.get("_ChromaLocation")
    for tag, format in FORMATS.items():
        alike = format == raw.format and (tag == "444alpha") == (raw.alpha is not None)
        if alike and _LOCATIONS.get(tag, location) == location:
            return tag
    kind = str(raw.format) + ("" if raw.alpha is None else " with alpha")
    raise UsageError(f"YUV4MPEG2 cannot hold {kind}; use YUV or grey of 8 to 16 bit, alpha only with 8-bit 4:4:4")
