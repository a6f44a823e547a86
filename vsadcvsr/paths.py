"""The cache folder of this user, and the compiled library."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from vsadcvsr.errors import BackendError, UsageError

_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_LIBRARY = Path("vapoursynth", "plugins", "adcvsr", f"libadcvsr{_SUFFIX}")


def cache() -> Path:
    """The folder for such things: `ADCVSR_CACHE`, else where the platform has them. Raises UsageError."""
    if folder := os.environ.get("ADCVSR_CACHE"):
        return Path(folder)
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


def compiled_library() -> Path:
    """The compiled library, which is the VapourSynth plugin: `ADCVSR_PLUGIN`, else inside the installed package, else
    next to VapourSynth itself. Raises BackendError.
    """
    if configured := os.environ.get("ADCVSR_PLUGIN"):
        return Path(configured)
    from importlib import metadata  # a fifth of the start of a filter, and seldom needed

    roots = [Path(__file__).parents[1]]
    spec = find_spec("vapoursynth")  # found, not imported
    if spec is not None and spec.origin is not None:
        roots.append(Path(spec.origin).parents[1])
    with suppress(metadata.PackageNotFoundError):  # a checkout that is not installed
        roots.append(Path(str(metadata.distribution("vsadcvsr").locate_file(""))))
    for root in roots:
        if (root / _LIBRARY).is_file():
            return root / _LIBRARY
    raise BackendError(
        f"the VapourSynth plugin {_LIBRARY.name} is missing; install vsadcvsr again, or set ADCVSR_PLUGIN"
    )
