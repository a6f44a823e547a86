"""What a finished run leaves: weights, the ONNX step form and a model card, side by side."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.export import export, save_weights
from vsadcvsr.train.regress import Regression


def ship(run: Regression, folder: Path) -> list[Path]:
    """Writes the running mean of `run` as NAME.safetensors, NAME.onnx and NAME.md to `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    student = CompactStudent(run.student.dims).eval()
    student.load_state_dict(run.mean)
    weights, graph, card = (folder / f"{run.settings.model}.{kind}" for kind in ("safetensors", "onnx", "md"))
    save_weights(student, weights)
    export(student, graph)
    card.write_text(_card(run, [weights, graph]), encoding="utf-8")
    return [weights, graph, card]


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _card(run: Regression, files: list[Path]) -> str:
    student = run.student
    count = sum(parameter.numel() for parameter in student.parameters())
    lines = [
        f"# {run.settings.model}",
        "",
        f"A compact student of {count:,} parameters, {student.spec.lookahead} frames of lookahead,",
        f"after {run.done:,} steps of regression to the ground truth.",
        "",
        "| file | bytes | sha256 |",
        "|---|---|---|",
        *(f"| {path.name} | {path.stat().st_size:,} | `{checksum(path)}` |" for path in files),
        "",
        "## Settings",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in run.settings.described().items()),
    ]
    return "\n".join(lines) + "\n"
