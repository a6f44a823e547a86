"""Names of layers and dimensions in files that earlier versions wrote, and the present ones: weights files, ONNX files,
ranges of layers, and checkpoints of training.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_RENAMED = tuple(
    (re.compile(before), now)
    for before, now in (
        (r"\btransformer\.enter\b", "transformer.proj_in"),
        (r"\btransformer\.leave\b", "transformer.proj_out"),
        (r"\benter\b", "stem"),
        (r"\brise\b", "upsample"),
        (r"\bmeet\b", "skip"),
        (r"\bsettle\b", "late_temporal"),
        (r"\btail\.around\b", "tail.spatial1"),
        (r"\btail\.along\b", "tail.temporal"),
        (r"\btail\.again\b", "tail.spatial2"),
        (r"^leave\b", "head"),
        (r"^judges$", "discriminators"),
        (r"^judging$", "discriminator_optimiser"),
    )
)


def current_name(name: str) -> str:
    """The present name of what a file of any version names so."""
    for before, now in _RENAMED:
        name = before.sub(now, name)
    return name


def with_current_names[V](values: Mapping[str, V]) -> dict[str, V]:
    """A file's values by their present names, those in dictionaries within it too."""
    return {_current_key(key): _current_value(value) for key, value in values.items()}


def _current_key(key: Any) -> Any:  # noqa: ANN401  # optimisers number their parameters
    return current_name(key) if isinstance(key, str) else key


def _current_value(value: Any) -> Any:  # noqa: ANN401  # of any type
    return with_current_names(value) if isinstance(value, Mapping) else value
