"""What the encoder must be told of the pictures that it gets: filters that put the description back, and HDR metadata.

Pure. The pipe carries none of it.
"""

from __future__ import annotations

from fractions import Fraction

from ffmpeg_filter.media.showinfo import HDR, Mastering, Shown

LOCATION_OPTION = (59, 39)
"""libavutil from which `setparams` knows chroma locations (FFmpeg 7.1)."""
FROM_FRAMES = (59, 0)
"""libavutil from which encoders take mastering and light-level metadata from frames (FFmpeg 7)."""


def filters(shown: Shown, version: tuple[int, int]) -> list[str]:
    """Filters at the head of the encoder's graph; `version` is libavutil's."""
    is_rgb = shown.matrix == "gbr"  # which the format says, and what an encoder has made YUV of must not
    described = {
        "range": None if is_rgb else shown.range,
        "colorspace": None if is_rgb else shown.matrix,
        "color_primaries": shown.primaries,
        "color_trc": shown.transfer,
        "chroma_location": shown.location if version >= LOCATION_OPTION else None,
    }
    params = ":".join(f"{name}={value}" for name, value in described.items() if value)
    shape = f"setsar={shown.sar.numerator}/{shown.sar.denominator}" if shown.sar else ""
    return [one for one in (shape, f"setparams={params}" if params else "") if one]


def encoder_options(shown: Shown, codec: str, version: tuple[int, int], *, is_graded: bool = False) -> list[str]:
    """Options that carry what filters cannot: chroma location before FFmpeg 7.1, HDR10 metadata in the bitstream unless
    the pipe says of the stream how it `is_graded` and encoders take that.
    """
    options = []
    if shown.location and version < LOCATION_OPTION:
        options += ["-chroma_sample_location", shown.location]
    if is_graded and version >= FROM_FRAMES:
        return options
    if codec == "libx265" and (params := _x265(shown)):
        options += ["-x265-params", params]
    if codec == "libsvtav1" and (params := _svtav1(shown)):
        options += ["-svtav1-params", params]
    return options


def lost(shown: Shown) -> list[str]:
    """What the output will lack, in words for a warning, as far as the colours go."""
    words = []
    if shown.transfer in HDR:
        words.append(
            f"the pictures are {HDR[shown.transfer]}: the network was trained on SDR and works on them as they are; "
            "look at highlights, or tone-map before adcvsr"
        )
    if shown.dolby_vision:
        words.append("Dolby Vision metadata describe pictures of the source's size and are dropped")
    return words


def lost_grading(shown: Shown, codec: str) -> str:
    """The same of mastering and light-level metadata where the pipe cannot carry them."""
    if not (shown.mastering or shown.light) or codec in {"libx265", "libsvtav1"}:
        return ""
    return f"mastering and light-level metadata are not passed on to {codec or 'this encoder'}"


def _x265(shown: Shown) -> str:
    params = ["hdr10=1:repeat-headers=1"] if shown.mastering or shown.light else []
    if shown.mastering:
        params.append(f"master-display={_display(shown.mastering)}")
    if shown.light:
        params.append(f"max-cll={shown.light[0]},{shown.light[1]}")
    return ":".join(params)


def _display(mastering: Mastering) -> str:
    """As x265 writes it: in steps of 1/50000, and of 1/10000 cd/m2."""
    corners = {"G": mastering.green, "B": mastering.blue, "R": mastering.red, "WP": mastering.white}
    places = "".join(f"{name}({_steps(x, 50000)},{_steps(y, 50000)})" for name, (x, y) in corners.items())
    return f"{places}L({_steps(mastering.brightest, 10000)},{_steps(mastering.darkest, 10000)})"


def _steps(value: float, of: int) -> int:
    return round(Fraction(str(value)) * of)


def _svtav1(shown: Shown) -> str:
    params = []
    if mastering := shown.mastering:
        corners = {"G": mastering.green, "B": mastering.blue, "R": mastering.red, "WP": mastering.white}
        places = "".join(f"{name}({x:g},{y:g})" for name, (x, y) in corners.items())
        params.append(f"mastering-display={places}L({mastering.brightest:g},{mastering.darkest:g})")
    if shown.light:
        params.append(f"content-light={shown.light[0]},{shown.light[1]}")
    return ":".join(params)
