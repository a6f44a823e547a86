"""Lookup of models: from a name or path to a verified file. Never uses the network."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import cast

from vsadcvsr import blending
from vsadcvsr.errors import UsageError, WeightsError, near_misses
from vsadcvsr.files import sha256
from vsadcvsr.paths import cache
from vsadcvsr.weights import catalog, user_models

__all__ = ["SUFFIXES", "cache", "checksum", "entry_of", "find", "restoring"]

SUFFIXES = (".onnx", ".safetensors", ".pth")
_ALL_SUFFIXES = (*SUFFIXES, "")
_KINDS = ".onnx, .safetensors or .pth"
_LEAVE = "leave denoise at 0"


def find(
    model: str | Path,
    suffixes: tuple[str, ...] = _ALL_SUFFIXES,
    *,
    scale: float | None = None,
    restores: bool = False,
    table: Path = catalog.TABLE,
) -> Path:
    """The file of a model: a name of the catalogue, else the path of a file of the user's own.

    `suffixes` are the kinds of file that will do, in order of preference; "" stands for built-in models, whose path is
    just their name. Of networks of several scales it is the one of the smallest scale that is not below `scale`, else
    of the largest; with `restores` only those count that have restoring weights. The files of the catalogue are next to
    `table`, or in `cache()` if they are downloaded, and must have their checksums. Raises UsageError or
    WeightsError.
    """
    if not isinstance(cast(object, model), (str, Path)) or not str(model):
        raise UsageError.of("model", model, "a name, or the path of a weights file")
    if _is_own(model, table):
        return _user_file(Path(model))
    entry = _network(entry_of(str(model), table), suffixes, scale, restores=restores)
    return _catalog_file(entry, suffixes, folder_of(entry, table))


def restoring(
    model: str | Path,
    suffixes: tuple[str, ...] = _ALL_SUFFIXES,
    *,
    scale: float | None = None,
    table: Path = catalog.TABLE,
) -> Path:
    """The file with the restoring weights of the network that `find` takes with `restores`. Raises WeightsError."""
    if _is_own(model, table):
        path = blending.restoring_path(_user_file(Path(model)))
        if path.is_file():
            return path
        raise WeightsError(f"model {str(model)!r} has no restoring weights next to it ({path.name}); {_LEAVE}")
    entry = _network(entry_of(str(model), table), suffixes, scale, restores=True)
    if entry.restoring is None:
        raise WeightsError(f"model {str(model)!r} has no restoring weights; {_LEAVE}")
    file, expected = entry.restoring
    return _verified(folder_of(entry, table) / file, expected, entry)


def _is_own(model: str | Path, table: Path) -> bool:
    """Whether a model is a file of the user's own rather than a name."""
    path = Path(model)
    is_path = path.suffix.lower() in SUFFIXES or len(path.parts) > 1 or _exists(path)
    return is_path and str(model) not in catalog.entries(table) and str(model) not in user_models.entries()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False


def folder_of(entry: catalog.CatalogEntry, table: Path = catalog.TABLE) -> Path:
    """Where the files of a model are, or are downloaded to."""
    return entry.folder or (cache() if entry.url else table.parent)


def entry_of(model: str, table: Path = catalog.TABLE) -> catalog.CatalogEntry:
    """The catalogue's entry of a model; WeightsError, with near misses, if there is none."""
    entries = catalog.entries(table)
    if model in entries:
        return entries[model]
    entries = {**entries, **user_models.entries()}
    if model in entries:
        return entries[model]
    hint = near_misses(model, entries)
    raise WeightsError(
        f"model {model!r} is not known, allowed: {', '.join(entries)}, or the path of an {_KINDS} file"
        + (f"; {hint}" if hint else "")
    )


def checksum(path: Path) -> str:
    """The SHA-256 of a file, read once for each change of it. Raises OSError."""
    stat = path.stat()
    return _cached_sha256(path, stat.st_mtime_ns, stat.st_size)


def _network(
    model: catalog.CatalogEntry, suffixes: tuple[str, ...], scale: float | None, *, restores: bool
) -> catalog.CatalogEntry:
    """The network for a scale, of those that have a file of these kinds, and restoring weights if they are asked for;
    where there is none, the one for the scale.
    """
    networks = model.nearest_scales(scale)
    usable = [entry for entry in networks if (entry.restoring or not restores) and _has_file(entry, suffixes)]
    return next(iter(usable or networks))


def _has_file(entry: catalog.CatalogEntry, suffixes: tuple[str, ...]) -> bool:
    return bool(entry.builtin and "" in suffixes) or any(Path(file).suffix in suffixes for file, _ in entry.networks)


def _catalog_file(entry: catalog.CatalogEntry, suffixes: tuple[str, ...], folder: Path) -> Path:
    if entry.builtin and "" in suffixes:
        return Path(entry.builtin)
    for suffix in suffixes:
        for file, expected in entry.networks:
            if Path(file).suffix == suffix:
                return _verified(folder / file, expected, entry)
    kinds = " or ".join(filter(None, suffixes)) or "built-in"
    has = "it is built in" if entry.builtin else f"its files: {', '.join(file for file, _ in entry.networks) or 'none'}"
    raise WeightsError(f"model {entry.spec.name!r} has no {kinds} file, which this backend needs; {has}")


def _user_file(path: Path) -> Path:
    try:
        if not path.exists():
            raise WeightsError(f"{path} does not exist; give the path of an {_KINDS} file, or a model's name")
        if not path.is_file():
            raise WeightsError(f"{path} is not a file; give the path of an {_KINDS} file")
        if path.suffix not in SUFFIXES:
            raise WeightsError(f"{path} is no model; give an {_KINDS} file")
        with path.open("rb") as file:  # what cannot be opened is not named by every library that reads it
            if not file.read(1):
                raise WeightsError(f"{path} is empty; copy or export it again")
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}; give a file that this user may read") from error
    return path


def _verified(path: Path, expected: str, entry: catalog.CatalogEntry) -> Path:
    name = entry.spec.name
    hint = f"run `adcvsr models fetch {name}`" if entry.url else "install vsadcvsr again"
    hint = f"run `adcvsr models add FILE --name {name}` again" if entry.folder else hint
    try:
        actual = checksum(path)
    except OSError as error:
        raise WeightsError(f"model {name!r}: {path.name} is missing ({error.strerror}); {hint}") from error
    if actual != expected:
        sums = f"{actual[:12]}…, expected {expected[:12]}…"
        raise WeightsError(f"model {name!r}: {path.name} has the wrong checksum ({sums}); {hint}")
    return path


@lru_cache(maxsize=64)
def _cached_sha256(path: Path, changed: int, size: int) -> str:
    """The SHA-256 of a file, read once for each change of it."""
    del changed, size
    return sha256(path)
