"""Streams that `-map` names by what is said of them."""

from __future__ import annotations

import pytest

from tests.ffmpeg_filter.planning import FILM, decoder, encoder, planned
from vsadcvsr.errors import UsageError


def test_streams_are_found_by_their_metadata() -> None:
    arguments = "-i in.mkv -vf adcvsr -map 0:m:language:ger -map 0:a out.mkv"
    assert "-map 0:0" in decoder(arguments)
    assert encoder(arguments).endswith("-map 0:v:0 -map 1:a out.adcvsr-part.mkv")


@pytest.mark.parametrize("value", ["0:p:1", "0:#0x101", "0:v:disp:default"])
def test_a_map_that_may_mean_the_source_of_our_pictures_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r"-map .* name streams by number, kind or metadata"):
        planned(f"-i in.mkv -vf adcvsr -map 0:v -map {value} out.mkv", FILM)
