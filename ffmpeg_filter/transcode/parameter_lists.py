"""Options that are lists of parameters, in which the last one wins: how two of them are joined. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ffmpeg_filter.command.argv import Option

PARAMETER_LISTS = {"x265-params", "x264-params", "svtav1-params"}
"""Options with colon-separated parameters."""


def merge_options(extra: Sequence[str], user_options: Sequence[Option]) -> list[Option]:
    """The user's options after the extra ones; parameter lists are joined."""
    merged = [*user_options]
    for token, value in zip(reversed(extra[::2]), reversed(extra[1::2]), strict=True):
        extra_option = Option(token, value)
        if extra_option.name not in PARAMETER_LISTS or not any(option.name == extra_option.name for option in merged):
            merged = [extra_option, *merged]
        else:
            merged = [
                replace(option, value=f"{value}:{option.value}") if option.name == extra_option.name else option
                for option in merged
            ]
    return merged
