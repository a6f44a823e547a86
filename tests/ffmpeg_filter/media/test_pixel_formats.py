"""The table of pixel formats agrees with FFmpeg's own."""

from __future__ import annotations

import av
import pytest

from ffmpeg_filter.media.pixel_formats import LAYOUTS, layout_of
from vsadcvsr.errors import FormatError


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_format_has_the_components_that_ffmpeg_says(name: str) -> None:
    layout, theirs = layout_of(name), av.VideoFormat(name, 33, 17)
    ours = [
        (component.plane, layout.format.bits, *layout.format.size(index, 33, 17), index == layout.format.planes)
        for index, component in enumerate(layout.components)
    ]
    assert ours == [(part.plane, part.bits, part.width, part.height, part.is_alpha) for part in theirs.components]
    assert theirs.is_rgb == (layout.format.family == "RGB")
    assert theirs.is_big_endian == layout.dtype.startswith(">")


def test_a_format_that_cannot_be_taken_is_refused_in_one_line() -> None:
    with pytest.raises(FormatError, match=r"pixel format 'pal8' is not supported; convert it .* with format="):
        layout_of("pal8")
    with pytest.raises(FormatError, match=r"did you mean .*'yuv420p10le'"):
        layout_of("yuv420p10")
