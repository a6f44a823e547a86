"""`adcvsr train`: settings from a command line and a TOML file, dataset and run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from vsadcvsr.errors import UsageError
from vsadcvsr.train import cpu
from vsadcvsr.train.loop import TrainingRun
from vsadcvsr.train.publish import publish
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.weights.store import find

_SAMPLE_MARGIN = 16  # low-resolution pixels by which samples are larger than crops, so that crops differ
_SAMPLES = (64, 2400)  # the fewest and the most that a pool made for one run has


def settings_of(
    file: Path | None, data: Sequence[Path], options: Mapping[str, object], assignments: Sequence[str]
) -> tuple[TrainSettings, list[Path]]:
    """The settings of a TOML file, or the defaults, overridden by a command's options; and the folders of data.

    `options` are settings by their dotted names, with None for those that are not set; `assignments` are texts such as
    `adversarial.steps=500`, whose values are TOML. A file may name its own `data`. With data and no pool, the pool is
    in the folder of the results. Raises UsageError.
    """
    table: dict[str, Any] = TrainSettings.table(file) if file else {}
    data = _folders(file, table.pop("data", []), data)
    for name, value in [*options.items(), *map(_parse_assignment, assignments)]:
        if value is not None:
            _set(table, name, value)
    for name in ("out", "begin"):
        if not isinstance(table.get(name, ""), (str, Path)):
            raise UsageError.of(name, table[name], "a path" if name == "out" else "a model's name or a path")
    if "out" not in table:
        raise UsageError("the setting out is missing; name the folder for weights and checkpoints with --out")
    if data and "pool" in table:
        raise UsageError("both data and a pool are given; leave one of them out")
    if data:
        table["pool"] = Path(table["out"]) / "pool"
    if "pool" not in table:
        raise UsageError("neither data nor a pool is given; name a folder of pictures and videos with --data")
    if "begin" in table:
        table["begin"] = find(table["begin"], (".safetensors",), scale=_scale_in(table))
    return TrainSettings.of(table), data


def _scale_in(table: Mapping[str, object]) -> int | None:
    scale = table.get("scale")
    return scale if isinstance(scale, int) else None


def _folders(file: Path | None, listed: object, folders: Sequence[Path]) -> list[Path]:
    if not isinstance(listed, list) or not all(isinstance(folder, str) for folder in listed):
        raise UsageError.of("data", listed, "a list of folders")
    return list(folders) or [file.parent / folder for folder in listed if file]


def _parse_assignment(text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError.of("--set", text, "NAME=VALUE, such as adversarial.steps=500")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value  # a plain word


def _set(settings: dict[str, Any], name: str, value: object) -> None:
    *tables, last = name.split(".")
    for table in tables:
        settings = settings.setdefault(table, {})
        if not isinstance(settings, dict):
            raise UsageError(f"--set {name}: {table!r} is a single value, not a table of settings; give its own name")
    settings[last] = value


def train(settings: TrainSettings, data: Sequence[Path], exclude: Sequence[Path] = ()) -> list[Path]:
    """Builds the pool from `data`, if any, then runs to the end or resumes from a checkpoint; the files it leaves.

    `exclude` are lists of data files that are left out. Raises UsageError for such a list where there is no data: the
    samples of a pool name no files.
    """
    if exclude and not data:
        raise UsageError(
            f"--exclude {exclude[0]} is for files of --data, but the pool {settings.pool} is filled already; exclude "
            "them when it is filled, by `python -m vsadcvsr.train.data.build`"
        )
    run = TrainingRun(settings)
    run.resume()
    if data and run.world.is_main:
        _build_dataset(settings, data, exclude)
    run.world.barrier()
    with cpu.alone(settings.threads) if run.world.device.type == "cpu" else nullcontext():
        run.run()
        return publish(run, settings.out) if run.world.is_main else []


def _build_dataset(settings: TrainSettings, data: Sequence[Path], exclude: Sequence[Path]) -> None:
    from vsadcvsr.train.data import build  # decoders and OpenCV, which a run with a pool does without

    stages = settings.stages
    minimum, maximum = _SAMPLES
    count = min(max(sum(stage.steps * stage.batch for stage in stages) // 4, minimum), maximum)
    frames = max(stage.frames for stage in stages)
    side = settings.scale * (max(stage.crop for stage in stages) + _SAMPLE_MARGIN)
    arguments = [*map(str, data), "--out", str(settings.pool), "--seed", str(settings.seed)]
    arguments += [word for path in exclude for word in ("--exclude", str(path))]
    build.main([*arguments, "--count", str(count), "--frames", str(frames), "--size", str(side),
                "--scale", str(settings.scale)])  # fmt: skip
