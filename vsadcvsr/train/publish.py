"""Results of a finished run: weights, the ONNX step form of compact students, and a model card."""

from __future__ import annotations

import logging
from pathlib import Path

from vsadcvsr.files import sha256, write_text
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.export import export
from vsadcvsr.nets.weights_file import empty_student, save_weights
from vsadcvsr.train.loop import TrainingRun
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.train.students import Student
from vsadcvsr.train.units import contributions, sources

_CLIPS = 32  # of the pool, on which units are looked at

_log = logging.getLogger(__name__)


def publish(run: TrainingRun, folder: Path) -> list[Path]:
    """Writes the moving average of `run` as NAME.safetensors, NAME.onnx and NAME.md to `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    student = empty_student(run.student.dims)
    student.load_state_dict(run.ema, assign=True)
    name = run.settings.model if student.spec.scale == 4 else f"{run.settings.model}-x{student.spec.scale}"
    files = [folder / f"{name}.safetensors"]
    half = run.settings.half_weights
    save_weights(student, files[0], half=half)
    if isinstance(student, CompactStudent):
        files.append(folder / f"{name}.onnx")
        export(student.cpu(), files[1], half=half)
    card = folder / f"{name}.md"
    units = _units(student, run.settings.pool) if isinstance(student, CompactStudent) else ""
    write_text(card, _card(run, student, files, units))
    return [*files, card]


def _units(student: CompactStudent, pool: Path) -> str:
    """What is said of the units that act, which the log says as well where it is less than half of them; nothing for a
    student without blocks.
    """
    if not student.dims.blocks:
        return ""
    clips = sources(pool, student.dims.scale, _CLIPS)
    measured = contributions(student, clips)
    acting = {name: int(units.count_nonzero()) for name, units in measured.items()}
    count = sum(map(len, measured.values()))
    line = f"{sum(acting.values())} of {count} units between the layers of blocks act"
    if 2 * sum(acting.values()) < count:
        _log.warning("%s; `python -m vsadcvsr.train.prune` removes the others, a lower rate keeps them", line)
    return f"On {_CLIPS} clips of the pool {line} ({', '.join(f'{name} {number}' for name, number in acting.items())})."


def _card(run: TrainingRun, student: Student, files: list[Path], units: str) -> str:
    settings = run.settings
    count = sum(parameter.numel() for parameter in student.parameters())
    lines = [
        f"# {settings.model}",
        "",
        f"A x{student.spec.scale} student of {count:,} parameters and {student.spec.lookahead} frames of lookahead,",
        f"after {_history(settings)}.",
        *([] if run.is_finished else [_stop(run)]),
        *(["", units] if units else []),
        "",
        "| file | bytes | sha256 |",
        "|---|---|---|",
        *(f"| {path.name} | {path.stat().st_size:,} | `{sha256(path)}` |" for path in files),
        "",
        "## Settings",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in settings.as_metadata().items()),
    ]
    return "\n".join(lines) + "\n"


def _history(settings: TrainSettings) -> str:
    done = [f"{settings.regression.steps:,} steps of regression to the {settings.teacher}"]
    if settings.begin:
        done.insert(0, "what the weights file that it began with had learned")
    if (second := settings.adversarial) is not None:
        domains = " and ".join(second.domains) or "no"
        done.append(f"{second.steps:,} steps with {second.heads}-head discriminators in the {domains} domain")
    return ", ".join(done)


def _stop(run: TrainingRun) -> str:
    return (
        f"It is not finished: {run.steps_done:,} of the {run.stage.stage.steps:,} steps of stage "
        f"{run.stage_number + 1} are done."
    )
