"""Streams that `-map` names by what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ffmpeg_filter.planning import FILM, decoder, encoder, planned
from vsadcvsr.errors import UsageError


def test_streams_are_found_by_their_metadata() -> None:
    arguments = "-i in.mkv -vf adcvsr -map 0:m:language:ger -map 0:a out.mkv"
    assert "-map 0:0" in decoder(arguments)
    assert encoder(arguments).endswith("-map 0:v:0 -map 1:a out.adcvsr-part.mkv")


@pytest.mark.parametrize("value", ["0:i:257", "0:#0x101", "0:p:2:v", "0:v:disp:default", "0:disp:forced", "0:g:#9:v"])
def test_streams_are_found_by_id_program_group_and_disposition(value: str) -> None:
    first = replace(FILM.streams[0], id=257, programs=frozenset({1, 2}), groups=frozenset({(0, 9)}), disposition=0x41)
    film = replace(FILM, streams=(first, *FILM.streams[1:]))
    arguments = f"-i in.ts -vf adcvsr -map {value} -map 0:a out.mkv"
    assert "-map 0:0" in decoder(arguments, film)
    assert encoder(arguments, film).endswith("-map 0:v:0 -map 1:a out.adcvsr-part.mkv")


@pytest.mark.parametrize("value", ["0:g:x", "0:v:u", "0:x"])
@pytest.mark.parametrize("before", ["-map 0:v", ""])
def test_a_map_that_may_mean_the_source_of_our_pictures_and_is_not_understood_is_refused(
    value: str, before: str
) -> None:
    with pytest.raises(UsageError, match=rf"-map {value} is not understood; name streams by number, kind, id, program"):
        planned(f"-i in.mkv -vf adcvsr {before} -map {value} out.mkv", FILM)


@pytest.mark.parametrize("value", ["0:g:1", "0:a:u", "0:g:0:s", "0:g:i:5:a:m:language:eng", "0:a:view:1"])
def test_a_map_of_other_streams_is_passed_on_understood_or_not(value: str) -> None:
    assert f"-map 1:{value[2:]} " in encoder(f"-i in.mkv -vf adcvsr -map 0:v -map {value} out.mkv")
