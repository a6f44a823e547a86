"""Cache folder of this user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vsadcvsr.errors import UsageError


def cache() -> Path:
    """The folder for such things: `ADCVSR_CACHE`, else where the platform has them. Raises UsageError."""
    if own := os.environ.get("ADCVSR_CACHE"):
        return Path(own)
    try:
        return _default_cache()
    except RuntimeError as error:  # a user without a home, such as one that only a container knows
        raise UsageError("this user has no home folder; name a folder for the cache in ADCVSR_CACHE") from error


def _default_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "adcvsr" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "adcvsr"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adcvsr"
