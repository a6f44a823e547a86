"""The table of models that can be asked for by name: what they are, which files they are in, what those files must add up to."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vsadcvsr.spec import ModelSpec

TABLE = Path(__file__).with_name("catalog.toml")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model of the catalogue. `files` maps file names to their SHA-256; built-in models have none."""

    spec: ModelSpec
    summary: str
    files: tuple[tuple[str, str], ...]
    builtin: bool


@cache
def entries(table: Path = TABLE) -> Mapping[str, Entry]:
    """Every model of the catalogue by its name, in the order of the table."""
    return {name: _entry(name, row) for name, row in tomllib.loads(table.read_text("utf-8")).items()}


def _entry(name: str, row: Mapping[str, object]) -> Entry:
    facts = {key: row[key] for key in ("lookahead", "multiple", "reach", "color_fix") if key in row}
    precisions = row.get("precisions", ["fp32"])
    files = row.get("files", {})
    assert isinstance(precisions, list)
    assert isinstance(files, dict)
    return Entry(
        spec=ModelSpec(name=name, precisions=tuple(precisions), **facts),  # type: ignore[arg-type]  # checked by ModelSpec
        summary=str(row["summary"]),
        files=tuple(files.items()),
        builtin=bool(row.get("builtin", False)),
    )
