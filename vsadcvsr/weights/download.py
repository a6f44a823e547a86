"""Download of models that are too big to ship."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from vsadcvsr.errors import WeightsError
from vsadcvsr.weights import catalog, store

type Progress = Callable[[str, int, int], None]
"""Called with a file's name, its bytes so far and in total, 0 if unknown."""

_BLOCK = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte


def download(model: str, *, table: Path = catalog.TABLE, progress: Progress = lambda *_: None) -> list[Path]:
    """The files of a model, each downloaded unless it exists with its checksum.

    A file appears under its name once it is complete and verified. Interrupted downloads are resumed. Raises
    WeightsError.
    """
    entry = store.entry_of(model, table)
    if not entry.url:
        origin = "it is built in" if entry.builtin else "its files came with vsadcvsr"
        raise WeightsError(f"model {model!r} has no download address; {origin}")
    folder = store.cache()
    paths = []
    for name, expected in (pair for network in entry.by_scale for pair in network.files):
        path = folder / name
        if not (path.is_file() and store.checksum(path) == expected):
            _download_file(f"{entry.url.rstrip('/')}/{name}", path, expected, progress)
        paths.append(path)
    return paths


def _download_file(url: str, path: Path, expected: str, progress: Progress) -> None:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        resumed = _transfer(url, part, progress)
        if resumed and store.checksum(part) != expected:  # the server's file has changed since the interruption
            part.unlink()
            _transfer(url, part, progress)
        if (actual := store.checksum(part)) != expected:
            part.unlink()
            sums = f"{actual[:12]}…, expected {expected[:12]}…"
            raise WeightsError(f"{url} has the wrong checksum ({sums}); update vsadcvsr, or report it")
        part.replace(path)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(
            f"{url} cannot be downloaded ({_reason(error)}); run the same command again to resume"
        ) from error


def _transfer(url: str, part: Path, progress: Progress) -> bool:
    """Completes `part`; returns whether a part of it existed before. Raises WeightsError if the server stops early."""
    received = part.stat().st_size if part.exists() else 0
    try:
        opening = _open(url, received)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        part.unlink()  # the server has nothing after it: it is complete, or of another file
        return _transfer(url, part, progress)
    with opening as response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        received = received if resumed else 0
        total = received + int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read(_BLOCK):
                received += file.write(block)
                progress(part.stem, received, max(total, received))
    if received < total:
        raise WeightsError(
            f"the download of {url} stopped after {received:,} of {total:,} bytes; run the same command again to resume"
        )
    return resumed


def _open(url: str, received: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "adcvsr", **({"Range": f"bytes={received}-"} if received else {})}
    response: http.client.HTTPResponse = urllib.request.urlopen(
        urllib.request.Request(url, headers=headers), timeout=_TIMEOUT
    )
    return response


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} {error.reason}"
    return str(getattr(error, "reason", None) or error) or type(error).__name__
