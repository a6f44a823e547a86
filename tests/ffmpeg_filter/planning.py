"""Plans of commands over made-up facts, as words."""

from __future__ import annotations

import shlex
from fractions import Fraction

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.media.pixel_formats import OLDEST_LIBAVUTIL, supported_formats
from ffmpeg_filter.media.probe import InputInfo, InputStream
from ffmpeg_filter.transcode.encode_command import StartInfo
from ffmpeg_filter.transcode.split import SplitCommand, split_command

FILM = InputInfo(
    (
        InputStream(index=0, kind="video", pixels=100, is_default=True, tags={"language": "ger"}),
        InputStream(index=1, kind="audio", channels=2),
        InputStream(index=2, kind="subtitle", codec="subrip"),
    )
)
PICTURE = InputInfo((InputStream(index=0, kind="video", pixels=9),))
UNKNOWN = InputInfo()
START = StartInfo(start_time=Fraction(23, 1000))
SHOWN = "showinfo@adcvsr=checksum=0"


def planned(
    arguments: str | list[str], *inputs: InputInfo, version: tuple[int, int] = OLDEST_LIBAVUTIL
) -> SplitCommand:
    command = parse(shlex.split(arguments) if isinstance(arguments, str) else arguments)
    split = split_command(command, inputs, version=version)
    assert split is not None
    return split


def decoding(arguments: str | list[str], *inputs: InputInfo) -> list[str]:
    """The first command, without the list of pixel formats that is always there."""
    formats = f"format={'|'.join(supported_formats(OLDEST_LIBAVUTIL))},"
    return [word.replace(formats, "") for word in planned(arguments, *inputs).decoder_args]


def decoder(arguments: str | list[str], *inputs: InputInfo) -> str:
    """The first command from its inputs to its codec, without what is always there."""
    text = shlex.join(decoding(arguments, *inputs or (FILM,)))
    head, tail = "-hide_banner -nostats -loglevel level+info ", " -map_metadata -1 -map_chapters -1 "
    assert text.startswith(head)
    assert text.endswith("-c:v rawvideo -f rawvideo pipe:1")
    return text.removeprefix(head).removeprefix("-nostdin ").partition(tail)[0]


def encoder(arguments: str | list[str], *inputs: InputInfo, start: StartInfo = START) -> str:
    """The second command without its beginning."""
    text = shlex.join(planned(arguments, *inputs or (FILM,)).encoder_args(start))
    head, pipe_options, tail = text.partition("-seek_timestamp 1 -c:v rawvideo -f matroska -i pipe:0 ")
    assert pipe_options, text
    assert head == "-nostdin -hide_banner -loglevel warning -nostats ", head
    return tail.replace("-metadata:s:v:0 language=ger", "#")
