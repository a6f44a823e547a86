"""Models of the catalogue that are too big to ship, brought from their public home."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from vsadcvsr.errors import WeightsError
from vsadcvsr.weights import catalog, store

type Progress = Callable[[str, int, int], None]
"""Told of a file's name, the bytes that are there and all bytes, 0 where those are not known."""

_BLOCK = 1 << 20
_PATIENCE = 60.0  # seconds without a byte


def fetch(model: str, *, table: Path = catalog.TABLE, progress: Progress = lambda *_: None) -> list[Path]:
    """The files of a model, each brought unless it is there with its checksum already.

    A file appears by its name once it is whole and has its checksum. What was cut off is taken up where it stopped.
    Raises WeightsError.
    """
    entry = store.known(model, table)
    if not entry.url:
        where = "it is built in" if entry.builtin else "its files came with vsadcvsr"
        raise WeightsError(f"model {model!r} has no public home to be fetched from; {where}")
    folder = store.cache()
    made = []
    for name, wanted in entry.files:
        path = folder / name
        if not (path.is_file() and store.checksum(path) == wanted):
            _bring(f"{entry.url.rstrip('/')}/{name}", path, wanted, progress)
        made.append(path)
    return made


def _bring(url: str, path: Path, wanted: str, progress: Progress) -> None:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        resumed = _download(url, part, progress)
        if resumed and store.checksum(part) != wanted:  # the file there is another one by now
            part.unlink()
            _download(url, part, progress)
        if (found := store.checksum(part)) != wanted:
            part.unlink()
            sums = f"{found[:12]}…, expected {wanted[:12]}…"
            raise WeightsError(f"{url} has the wrong checksum ({sums}); update vsadcvsr, or tell its makers")
        part.replace(path)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(
            f"{url} cannot be fetched ({_reason(error)}); the same command goes on from there"
        ) from error


def _download(url: str, part: Path, progress: Progress) -> bool:
    """Makes `part` whole; says whether some of it was there before. Raises WeightsError where the other side stops."""
    there = part.stat().st_size if part.exists() else 0
    try:
        begun = _ask(url, there)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        part.unlink()  # there is no more to come after it, so that it is whole or of something else
        return _download(url, part, progress)
    with begun as answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        there = there if resumed else 0
        total = there + int(answer.headers.get("Content-Length") or 0)
        with part.open("ab" if resumed else "wb") as file:
            while block := answer.read(_BLOCK):
                there += file.write(block)
                progress(part.stem, there, max(total, there))
    if there < total:
        raise WeightsError(f"{url} broke off after {there:,} of {total:,} bytes; the same command goes on from there")
    return resumed


def _ask(url: str, there: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "adcvsr", **({"Range": f"bytes={there}-"} if there else {})}
    answer: http.client.HTTPResponse = urllib.request.urlopen(
        urllib.request.Request(url, headers=headers), timeout=_PATIENCE
    )
    return answer


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} {error.reason}"
    return str(getattr(error, "reason", None) or error) or type(error).__name__
