"""Environment variables that a library reads while it is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
}
"""Read by Hugging Face's libraries and by ONNX Runtime, which without it writes to the home folder when imported."""


@contextmanager
def variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """For the time of an import sets those that the user has not set, so that no later child process inherits them."""
    absent = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(absent)
    try:
        yield
    finally:
        for name in absent:
            os.environ.pop(name, None)
