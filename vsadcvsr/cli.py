"""The `adcvsr` command: checks of the installation, models, benchmarks, evaluation and training of upscalers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from vsadcvsr.commands import check_output, status
from vsadcvsr.extras import check, needs

if TYPE_CHECKING:
    from vsadcvsr.spec import ModelSpec
    from vsadcvsr.weights.catalog import CatalogEntry

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
models_app = typer.Typer(invoke_without_command=True)
app.add_typer(models_app, name="models")
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
_SIGNS = {"ok": "[green]ok[/]", "absent": "[yellow]absent[/]", "failed": "[red]failed[/]"}


def main() -> None:
    """Runs the command and exits with its status."""
    raise SystemExit(status("adcvsr", app))


@app.command()
def doctor() -> None:
    """Checks Python, runtimes, devices, the VapourSynth plugin and FFmpeg; exit status 1 if something is broken."""
    from vsadcvsr.doctor import examine

    logging.getLogger("vsadcvsr").setLevel(logging.WARNING)  # the findings themselves say which backend runs
    console, broken = Console(), False
    for finding in examine():
        broken |= finding.verdict == "failed"
        console.print(f"{_SIGNS[finding.verdict]:<24} [bold]{finding.name}[/]: ", end="", highlight=False)
        console.print(finding.detail, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(int(broken))


@models_app.callback()
def models(
    context: typer.Context,
    *,
    files: Annotated[bool, typer.Option("--files", help="List the files and their SHA-256 instead.")] = False,
) -> None:
    """Lists the models that can be used by name: scales, lookahead of each (frames), precisions, range of denoise."""
    from vsadcvsr.weights import user_models
    from vsadcvsr.weights.catalog import entries

    if context.invoked_subcommand:
        return
    listed = {**entries(), **user_models.entries()}
    if files:
        for name, entry in listed.items():
            for network in reversed(entry.by_scale):
                for file, checksum in network.files:
                    _print_line(f"{checksum}  {file}  ({name}, x{network.spec.scale})")
        return
    for name, entry in listed.items():
        networks = entry.by_scale[::-1]
        scales = ", ".join(f"x{network.spec.scale}" for network in networks)
        lookaheads = [str(network.spec.lookahead) for network in networks]
        lookahead = ", ".join(lookaheads if len(set(lookaheads)) > 1 else lookaheads[:1])
        denoise = "0 to 1" if entry.restoring else "0"
        _print_line(f"{name}: {entry.about}")
        _print_line(f"    {scales}; lookahead {lookahead} frames; {', '.join(_precisions(entry))}; denoise {denoise}")


def _precisions(entry: CatalogEntry) -> tuple[str, ...]:
    """The precisions of a model, int8 included where its ranges were measured."""
    from vsadcvsr.calibration import ranges_path
    from vsadcvsr.weights.store import folder_of

    is_calibrated = any(ranges_path(folder_of(entry) / file).is_file() for file, _ in entry.networks)
    return (*entry.spec.precisions, *(["int8"] if is_calibrated else []))


@models_app.command("fetch")
def fetch_model(name: Annotated[str, typer.Argument(help="A model of `adcvsr models` that does not ship.")]) -> None:
    """Downloads a model that is too big to ship; after an interruption, the same command resumes."""
    from vsadcvsr.weights.download import download

    with Progress(console=Console(stderr=True), transient=True) as bars:
        lines: dict[str, TaskID] = {}

        def show(file: str, received: int, total: int) -> None:
            if file not in lines:
                lines[file] = bars.add_task(file)
            bars.update(lines[file], completed=received, total=total)

        paths = download(name, progress=show)
    for path in paths:
        _print_line(str(path))


@models_app.command("add")
def add_model(
    file: Annotated[Path, typer.Argument(help="An .onnx, .safetensors or .pth file, which is copied.")],
    name: Annotated[str | None, typer.Option(help="Name of the model; by default that of the file.")] = None,
) -> None:
    """Adds a network of any origin to the models that can be used by name, with its checksum."""
    from vsadcvsr import backends
    from vsadcvsr.backends import receptive_field
    from vsadcvsr.errors import UsageError
    from vsadcvsr.weights import user_models
    from vsadcvsr.weights.catalog import entries
    from vsadcvsr.weights.store import find

    logging.getLogger("vsadcvsr").setLevel(logging.WARNING)  # the model is loaded to be looked at, not to run
    name = file.stem if name is None else name
    if name in entries():
        raise UsageError(f"{name} is the name of a model that ships; take another with --name")
    source = find(file.absolute())

    def inspect(path: Path) -> ModelSpec:
        backend = backends.load(path)
        return receptive_field.measure(backend) if path == source else backend.spec  # not of the copy again

    entry = user_models.add(source, name, inspect)
    (added, checksum), spec = entry.files[0], entry.spec
    line = f"{name}: x{spec.scale}, {', '.join(spec.precisions)}, {added} {checksum[:12]}, {_tiles_of(spec)}"
    _print_line(line)


def _print_line(line: str) -> None:
    """Prints a line whose [brackets] are those of file names."""
    Console().print(line, markup=False, highlight=False, soft_wrap=True)


def _tiles_of(spec: ModelSpec) -> str:
    """What tiles do to the output of a network, for people."""
    if spec.reach is not None:
        return f"tiles are exact (reach {spec.reach})"
    wording = {"supported": "approximate", "discouraged": "may show", "refused": "are not possible"}
    return f"tiles {wording[spec.tiling]}"


@models_app.command("remove")
def remove_model(name: Annotated[str, typer.Argument(help="A model that was added.")]) -> None:
    """Removes a model that was added."""
    from vsadcvsr.weights import user_models

    user_models.remove(name)


@app.command(add_help_option=False, context_settings=_PASSED_ON)
def bench(context: typer.Context) -> None:
    """Measures the speed of each part; by default from 480x270 to 1920x1080."""
    from vsadcvsr.bench.__main__ import main as run

    raise typer.Exit(run(context.args) or 0)


@app.command(add_help_option=False, context_settings=_PASSED_ON)
def evaluate(context: typer.Context) -> None:
    """Measures quality and stability of upscalers on clips, with and without ground truth."""
    from vsadcvsr.evaluate import options

    options.evaluation().parse_args(context.args)  # --help and mistakes do without the extra
    with needs("evaluate", "evaluate"):
        from vsadcvsr.evaluate.__main__ import main as run

    raise typer.Exit(run(context.args) or 0)


@app.command()
def compare(
    inputs: Annotated[list[Path], typer.Argument(help="Two or more videos or folders of pictures.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("compare.html"),
    names: Annotated[
        str | None, typer.Option(help="Their names on the page, separated by commas; by default the file names.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Ground truth; PSNR and SSIM are measured against it.")] = None,
    start: Annotated[int, typer.Option(help="First frame, from 0.")] = 0,
    frames: Annotated[int, typer.Option(help="Number of frames.")] = 25,
    crop: Annotated[int, typer.Option(help="Width and height of the centre to show, in pixels; 0: all.")] = 0,
    quality: Annotated[int, typer.Option(help="Quality of WebP images, 1 to 100.")] = 92,
    lossless: Annotated[bool, typer.Option("--lossless", help="PNG images instead of WebP.")] = False,
) -> None:
    """Writes an HTML page that compares videos: slider, zoom, blink, difference, synchronous frames, metrics."""
    from vsadcvsr.errors import UsageError

    with needs("evaluate", "compare"):
        from vsadcvsr.evaluate.compare import View
        from vsadcvsr.evaluate.compare import compare as write

    check_output("--out", out)
    called = names.split(",") if names else [path.stem for path in inputs]
    if len(called) != len(inputs):
        raise UsageError(
            f"--names has {len(called)} names for {len(inputs)} videos; give one a video, separated by commas"
        )
    view = View(start=start, frames=frames, crop=crop, quality=quality, lossless=lossless)
    for note in write(list(zip(called, inputs, strict=True)), out, truth=truth, view=view):
        Console(stderr=True).print(note, highlight=False, markup=False, soft_wrap=True)
    _print_line(f"{out}: {out.stat().st_size:,} bytes")


@app.command()
def export(
    weights: Annotated[Path, typer.Argument(help="A .safetensors file written by training, or a model's name.")],
    out: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    scale: Annotated[
        int | None, typer.Option(help="1 to 4, for a model with networks of several scales; default: the largest.")
    ] = None,
    denoise: Annotated[
        float, typer.Option(help="Share of the restoring weights (NAME-restore.safetensors), 0 to 1.")
    ] = 0.0,
) -> None:
    """Writes a trained network as streaming ONNX, for `core.adcvsr.Upscale(clip, model="OUT.onnx")`."""
    from vsadcvsr.blending import Blend, checked
    from vsadcvsr.errors import UsageError
    from vsadcvsr.weights.store import find, restoring

    check_output("output", out, ".onnx")
    with needs("train", "export"):
        from vsadcvsr.nets.export import export as write
        from vsadcvsr.nets.export import load_weights

        kinds, restores = (".safetensors",), checked(denoise) > 0
        blend = Blend(restoring(weights, kinds, scale=scale), denoise) if restores else None
        student = load_weights(find(weights, kinds, scale=scale, restores=restores), blend)
        if scale not in {None, student.spec.scale}:
            raise UsageError.of("--scale", scale, f"{student.spec.scale} for {weights}")
        write(student, out)  # torch imports packages of its own for an export
    _print_line(f"{out}: {out.stat().st_size:,} bytes")


@app.command()
def convert(
    files: Annotated[
        list[Path],
        typer.Argument(help="AdcSR's net_params_200.pkl and halfDecoder.ckpt, or one checkpoint of adcvsr train."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .safetensors file to write.")],
) -> None:
    """Converts AdcSR's official checkpoints, or one of adcvsr train, to a weights file, without running their code."""
    from vsadcvsr.weights.convert import convert as write

    with needs("torch", "convert"):  # for weights in the paper's layout
        converted = write(files, out)
    counts = f"{converted.tensors:,} tensors, {converted.values:,} values"
    _print_line(f"{out}: {converted.name}, x{converted.scale}, {counts}")


@app.command()
def train(
    settings: Annotated[Path | None, typer.Argument(help="A TOML file; options override its settings.")] = None,
    data: Annotated[list[Path] | None, typer.Option(help="A folder of pictures and videos; may be repeated.")] = None,
    exclude: Annotated[
        list[Path] | None,
        typer.Option(help="A text file with names of files to leave out, one per line; may be repeated."),
    ] = None,
    pool: Annotated[Path | None, typer.Option(help="A filled pool of samples, instead of --data.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for checkpoints, weights and the model card.")] = None,
    model: Annotated[str | None, typer.Option(help="The network to train: fast, base or paper.")] = None,
    scale: Annotated[
        int | None, typer.Option(help="Factor of enlargement of the network and its pool, 1 to 4.")
    ] = None,
    begin: Annotated[str | None, typer.Option(help="Weights to start from: a model's name or a file.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps of stage 1 (regression to the teacher).")] = None,
    more: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting, such as adversarial.steps=500; may be repeated."),
    ] = None,
) -> None:
    """Trains a network; after an interruption, the same command resumes.

    Stage 1 is regression; settings of `adversarial` add stage 2, dual-head adversarial distillation. On N GPUs or CPU
    cores: torchrun --nproc-per-node N -m vsadcvsr.cli train …
    """
    with needs("train", "training"):
        check("onnx")  # which only the end of a run would miss
        from vsadcvsr.train.command import settings_of
        from vsadcvsr.train.command import train as run
    named = {"pool": pool, "out": out, "model": model, "scale": scale, "begin": begin,
             "regression.steps": steps}  # fmt: skip
    for path in run(*settings_of(settings, data or [], named, more or []), exclude or []):
        _print_line(str(path))


if __name__ == "__main__":
    main()
