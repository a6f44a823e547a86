"""Models that the user has added by name: each is a file in the folder `models` of the cache folder, with its facts and
checksum beside it.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from vsadcvsr import paths
from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.files import replacing, sha256
from vsadcvsr.spec import ModelSpec, Tiling
from vsadcvsr.weights.catalog import CatalogEntry

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_FACTS = ("lookahead", "scale", "multiple", "minimum", "reach", "split_output", "color_fix")
_TILING: tuple[Tiling, ...] = get_args(Tiling.__value__)

_log = logging.getLogger(__name__)


def folder() -> Path:
    """The folder of the models. Raises UsageError for a user without a home."""
    return paths.cache() / "models"


def entries() -> Mapping[str, CatalogEntry]:
    """Every added model by its name; damaged entries are left out with a warning."""
    try:
        files = sorted(folder().glob("*.json"))
    except (OSError, UsageError):  # a home folder of another user, or none
        return {}
    models = {}
    for path in files:
        try:
            models[path.stem] = _entry(path)
        except (OSError, KeyError, TypeError, ValueError) as error:
            _log.warning("%s cannot be read (%s); add the model again", path, error)
    return models


def add(file: Path, name: str, inspect: Callable[[Path], ModelSpec]) -> CatalogEntry:
    """Copies a model's file into the folder, with the facts that `inspect` finds; replaces an older model of the name.

    Raises UsageError for a name that cannot be one, WeightsError for a file that cannot be used or copied.
    """
    if not _NAME.fullmatch(name):
        raise UsageError.of("name", name, "letters, digits, _ and -")
    spec = inspect(file)
    target = folder() / f"{name}{file.suffix}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(file, target, inspect)
        for other in target.parent.glob(f"{name}.*"):
            if other != target:
                other.unlink()
        facts = {key: getattr(spec, key) for key in _FACTS}
        row = {
            **facts,
            "tiling": spec.tiling,
            "precisions": spec.precisions,
            "file": target.name,
            "sha256": sha256(target),
            "origin": file.name,
        }
        with replacing(target.with_suffix(".json")) as unfinished:
            unfinished.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise WeightsError(f"{target} cannot be written: {error.strerror}") from error
    return _entry(target.with_suffix(".json"))


def measured(model: str | Path, spec: ModelSpec) -> ModelSpec | None:
    """The facts of a loaded model with the reach that was measured when it was added; None for any other model."""
    entry = entries().get(str(model))
    if entry is None or entry.spec.reach_unknown:
        return None
    return replace(spec, reach=entry.spec.reach, tiling=entry.spec.tiling, reach_unknown=False)


def remove(name: str) -> None:
    """Removes an added model. Raises WeightsError where there is none."""
    if name not in entries():
        raise WeightsError(f"model {name!r} was not added, added: {', '.join(entries()) or 'none'}")
    for path in folder().glob(f"{name}.*"):
        path.unlink()


def _copy(file: Path, target: Path, inspect: Callable[[Path], ModelSpec]) -> None:
    """Puts a copy at `target` that loads by itself."""
    unfinished = target.with_name(f".{target.name}{target.suffix}")
    try:
        shutil.copyfile(file, unfinished)
        try:
            inspect(unfinished)
        except WeightsError as error:
            hint = "save the model as one file (external_data=False in torch.onnx.export)"
            raise WeightsError(f"{file} has weights in other files next to it; {hint}") from error
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _entry(path: Path) -> CatalogEntry:
    row = json.loads(path.read_text("utf-8"))
    facts = {key: row[key] for key in _FACTS}
    tiling = row.get("tiling")  # entries without it were added before the reach was measured
    if tiling not in (None, *_TILING):
        raise ValueError(f"tiling is {tiling!r}")
    spec = ModelSpec(
        name=path.stem, precisions=tuple(row["precisions"]), reach_unknown=tiling is None,
        tiling=tiling or "supported", **facts,
    )  # fmt: skip
    return CatalogEntry(
        spec=spec,
        about=f"added from {row['origin']}",
        files=((str(row["file"]), str(row["sha256"])),),
        folder=path.parent,
    )
