"""Catalogue of named models: facts, files and checksums."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vsadcvsr.blending import SUFFIX
from vsadcvsr.spec import ModelSpec

TABLE = Path(__file__).with_name("catalog.toml")
_FACTS = ("lookahead", "scale", "multiple", "reach", "split_output", "color_fix")


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """A model of the catalogue."""

    spec: ModelSpec
    about: str
    files: tuple[tuple[str, str], ...]
    """Pairs of file name and SHA-256; empty for built-in models."""
    builtin: str = ""
    """Name of the built-in network; empty for models in files."""
    url: str = ""
    """Folder that the files are downloaded from; empty if they ship."""
    folder: Path | None = None
    """The folder of the files of a model that the user has added."""
    other_scales: tuple[CatalogEntry, ...] = ()
    """The model's networks of other scales."""

    @property
    def by_scale(self) -> list[CatalogEntry]:
        """The networks of all scales, from the largest."""
        return sorted((self, *self.other_scales), key=lambda entry: -entry.spec.scale)

    def nearest_scales(self, scale: float | None) -> list[CatalogEntry]:
        """The networks of all scales, best first: from the smallest that is not below `scale`, else from the largest.
        """
        if scale is None:
            return self.by_scale
        enough = [entry for entry in self.by_scale if entry.spec.scale >= scale]
        return [*reversed(enough), *(entry for entry in self.by_scale if entry not in enough)]

    @property
    def networks(self) -> list[tuple[str, str]]:
        """Those of `files` that are the network itself."""
        return [pair for pair in self.files if not pair[0].endswith(SUFFIX)]

    @property
    def restoring(self) -> tuple[str, str] | None:
        """That of `files` which has the restoring weights."""
        return next((pair for pair in self.files if pair[0].endswith(SUFFIX)), None)


@cache
def entries(table: Path = TABLE) -> Mapping[str, CatalogEntry]:
    """Every model of the catalogue by its name, in the order of the table."""
    return {name: _entry(name, row) for name, row in tomllib.loads(table.read_text("utf-8")).items()}


def _entry(name: str, row: Mapping[str, object]) -> CatalogEntry:
    facts = {name: row[name] for name in _FACTS if name in row}
    precisions = row.get("precisions", ["fp32"])
    files = row.get("files", {})
    assert isinstance(precisions, list)
    assert isinstance(files, dict)
    builtin, scales = row.get("builtin", ""), row.get("scales", {})
    assert isinstance(scales, dict)
    common = {key: value for key, value in row.items() if key not in {"files", "builtin", "scales"}}
    return CatalogEntry(
        spec=ModelSpec(name=name, precisions=tuple(precisions), **facts),  # type: ignore[arg-type]  # checked by ModelSpec
        about=str(row["about"]),
        files=tuple(files.items()),
        builtin=name if builtin is True else str(builtin),
        url=str(row.get("url", "")),
        other_scales=tuple(_entry(name, {**common, **other, "scale": int(scale)}) for scale, other in scales.items()),
    )
