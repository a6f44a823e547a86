"""The `ffadcvsr` program: a command without adcvsr goes to FFmpeg before anything slow is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ffmpeg_filter.media.binary import find
from ffmpeg_filter.media.process import become
from ffmpeg_filter.upscale.memory import turn_on
from vsadcvsr.errors import AdcvsrError, one_line

_OURS = {"y4m", "farm"}
_HELP = {"-h", "-help", "--help", "-?"}
"""Of FFmpeg where more words follow."""
_FAILED = 1


def run() -> None:
    """The console script."""
    _open_closed_streams()
    words = sys.argv[1:]
    if is_plain(words):
        raise SystemExit(_plain(words))
    turn_on()
    from ffmpeg_filter.cli import main

    raise SystemExit(main(words))


def is_plain(words: Sequence[str]) -> bool:
    """Whether nothing in a command can be meant for us; graphs in files would have to be read for that."""
    if not words or words[0] in _OURS or (words[0] in _HELP and len(words) == 1):
        return False
    return not any("adcvsr" in word or word.startswith(("-/", "-farm")) or "_script" in word for word in words)


def _plain(words: Sequence[str]) -> int:
    try:
        return become([find().path, *words])
    except (AdcvsrError, OSError) as error:
        sys.stderr.write(f"ffadcvsr: {one_line(error)}\n")
        return _FAILED


def _open_closed_streams() -> None:
    """Standard streams that are closed lead nowhere, so that no other file gets their numbers. The first two cannot be
    used, as with FFmpeg; what is said on the third is lost.
    """
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
