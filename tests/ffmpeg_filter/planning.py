"""Plans of commands over made-up facts, as words."""

from __future__ import annotations

import re
import shlex
from fractions import Fraction

from ffmpeg_filter.argv import parse
from ffmpeg_filter.facts import Input, Stream
from ffmpeg_filter.plan import Plan, Start, plan

FILM = Input(
    (
        Stream(index=0, kind="video", pixels=100, is_default=True, tags={"language": "ger"}),
        Stream(index=1, kind="audio", channels=2),
        Stream(index=2, kind="subtitle", codec="subrip"),
    )
)
PICTURE = Input((Stream(index=0, kind="video", pixels=9),))
UNKNOWN = Input()
START = Start((), (), Fraction(23, 1000), Fraction(1, 1000))
SHOWN = "showinfo@adcvsr=checksum=0"


def planned(words: str | list[str], *inputs: Input) -> Plan:
    made = plan(parse(shlex.split(words) if isinstance(words, str) else words), inputs)
    assert made is not None
    return made


def decoder(words: str | list[str], *inputs: Input) -> str:
    """The first command from its inputs to its codec, without what is always there."""
    text = shlex.join(planned(words, *inputs or (FILM,)).decoder)
    head, tail = "-hide_banner -nostats -loglevel level+info ", " -map_metadata -1 -map_chapters -1 "
    assert text.startswith(head)
    assert text.endswith("-avoid_negative_ts disabled -c:v rawvideo -f nut pipe:1")
    return text.removeprefix(head).removeprefix("-nostdin ").partition(tail)[0]


def encoder(words: str | list[str], *inputs: Input, start: Start = START) -> str:
    """The second command, without its beginning and with what else is always there as `…`."""
    text = shlex.join(planned(words, *inputs or (FILM,)).encoder(start))
    head, found, tail = text.partition("-itsoffset 0.023000 -f nut -i pipe:0 ")
    assert found, text
    assert head == "-nostdin -hide_banner -loglevel warning -nostats ", head
    tail = re.sub(r"-fps_mode(:v(?::\d)?) passthrough -enc_time_base\1 1/1000", "…", tail)
    return tail.replace("-metadata:s:v:0 language=ger -disposition:v:0 default", "#")
