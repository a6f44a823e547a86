"""Color tags, field order and HDR metadata for the encoder, which raw video on the pipe does not carry. Pure."""

from __future__ import annotations

from fractions import Fraction

from ffmpeg_filter.media.showinfo import HDR, FrameInfo, Mastering

LOCATION_OPTION = (59, 39)
"""libavutil from which `setparams` knows chroma locations (FFmpeg 7.1)."""
FRAME_METADATA = (59, 0)
"""libavutil from which encoders take mastering and light-level metadata from frames (FFmpeg 7)."""
_FIELDS = {"T": "setfield=tff", "B": "setfield=bff"}
"""Filters that mark frames as interlaced; those on the pipe are progressive."""


def filters(frame_info: FrameInfo, version: tuple[int, int]) -> list[str]:
    """Filters at the head of the encoder's graph that restore color tags and field order. `version` is libavutil's."""
    is_rgb = frame_info.matrix == "gbr"  # stated by the format; must not be set where an encoder converts to YUV
    tags = {
        "range": None if is_rgb else frame_info.range,
        "colorspace": None if is_rgb else frame_info.matrix,
        "color_primaries": frame_info.primaries,
        "color_trc": frame_info.transfer,
        "chroma_location": frame_info.location if version >= LOCATION_OPTION else None,
    }
    params = ":".join(f"{name}={value}" for name, value in tags.items() if value)
    shape = _shape(frame_info.sar) if frame_info.sar else ""
    field = _FIELDS.get(frame_info.field, "")
    return [body for body in (shape, f"setparams={params}" if params else "", field) if body]


def _shape(sar: Fraction) -> str:
    """A filter that sets the aspect ratio of pixels, which FFmpeg rounds to terms up to 100 by default."""
    largest = max(sar.numerator, sar.denominator)
    return f"setsar={sar.numerator}/{sar.denominator}{f':max={largest}' if largest > 100 else ''}"


def encoder_options(
    frame_info: FrameInfo, codec: str, version: tuple[int, int], *, is_graded: bool = False
) -> list[str]:
    """Encoder options for what filters cannot restore: chroma location before FFmpeg 7.1, HDR10 metadata."""
    options = []
    if frame_info.location and version < LOCATION_OPTION:
        options += ["-chroma_sample_location", frame_info.location]
    if is_graded and version >= FRAME_METADATA:
        return options
    if codec == "libx265" and (params := _x265(frame_info)):
        options += ["-x265-params", params]
    if codec == "libsvtav1" and (params := _svtav1(frame_info)):
        options += ["-svtav1-params", params]
    return options


def lost_metadata(frame_info: FrameInfo) -> list[str]:
    """Warnings about color metadata that the output will lack."""
    messages = []
    if frame_info.transfer in HDR:
        messages.append(
            f"the pictures are {HDR[frame_info.transfer]}: the network was trained on SDR and works on them as they "
            "are; look at highlights, or tone-map before adcvsr"
        )
    if frame_info.dolby_vision:
        messages.append("Dolby Vision metadata describe pictures of the source's size and are dropped")
    return messages


def lost_grading(frame_info: FrameInfo, codec: str) -> str:
    """The same of mastering and light-level metadata where the pipe cannot carry them."""
    if not (frame_info.mastering or frame_info.content_light) or codec in {"libx265", "libsvtav1"}:
        return ""
    return f"mastering and light-level metadata are not passed on to {codec or 'this encoder'}"


def _x265(frame_info: FrameInfo) -> str:
    params = ["hdr10=1:repeat-headers=1"] if frame_info.mastering or frame_info.content_light else []
    if frame_info.mastering:
        params.append(f"master-display={_display(frame_info.mastering)}")
    if frame_info.content_light:
        params.append(f"max-cll={frame_info.content_light[0]},{frame_info.content_light[1]}")
    return ":".join(params)


def _display(mastering: Mastering) -> str:
    """x265's master-display syntax: units of 1/50000, and 1/10000 cd/m2."""
    corners = {"G": mastering.green, "B": mastering.blue, "R": mastering.red, "WP": mastering.white}
    primaries = "".join(f"{name}({_steps(x, 50000)},{_steps(y, 50000)})" for name, (x, y) in corners.items())
    return f"{primaries}L({_steps(mastering.brightest, 10000)},{_steps(mastering.darkest, 10000)})"


def _steps(value: float, of: int) -> int:
    return round(Fraction(str(value)) * of)


def _svtav1(frame_info: FrameInfo) -> str:
    params = []
    if mastering := frame_info.mastering:
        corners = {"G": mastering.green, "B": mastering.blue, "R": mastering.red, "WP": mastering.white}
        primaries = "".join(f"{name}({x:g},{y:g})" for name, (x, y) in corners.items())
        params.append(f"mastering-display={primaries}L({mastering.brightest:g},{mastering.darkest:g})")
    if frame_info.content_light:
        params.append(f"content-light={frame_info.content_light[0]},{frame_info.content_light[1]}")
    return ":".join(params)
