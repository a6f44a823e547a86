"""The VapourSynth face: `core.adcvsr.Upscale` and its typed twin."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import vapoursynth as vs

from vsadcvsr import backends
from vsadcvsr.engine import Engine
from vsadcvsr.errors import AdcvsrError, BackendError, one_line
from vsadcvsr.plugin.formats import (
    Request,
    Shape,
    check_clip,
    enter,
    filters,
    leave,
    marked,
    matrix_of,
    properties_of,
    shape_of,
)
from vsadcvsr.plugin.frames import Ready, Screening, format_of, message
from vsadcvsr.spec import SCALE
from vsadcvsr.weights import store

_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_PLUGIN = Path("vapoursynth", "plugins", "adcvsr", f"libadcvsr{_SUFFIX}")
_REPORTED = ("vsadcvsr", "vapoursynth", "numpy", "onnxruntime", "onnxruntime-gpu", "openvino", "torch")


def upscale(  # noqa: PLR0913 - the arguments of core.adcvsr.Upscale, all by name
    clip: vs.VideoNode,
    *,
    model: str = "fast",
    scale: float = SCALE,
    width: int | None = None,
    height: int | None = None,
    format: int | None = None,
    matrix: int | str | None = None,
    backend: str = "auto",
    device: str = "auto",
    device_index: int = 0,
    precision: str = "auto",
    tile: Sequence[int] | None = None,
    tile_pad: int | None = None,
    sc_threshold: float | None = None,
    denoise: float = 0.0,
    strength: float = 1.0,
    color_fix: str | None = None,
    threads: int = 0,
) -> vs.VideoNode:
    """The clip upscaled, in its own format unless `format` says otherwise, with every frame property kept.

    `model` is a name or the path of a weights file. The network makes x4; `scale` 1 to 3, or `width` and `height`,
    resize that. `denoise`, 0 (decent sources) to 1 (bad ones), is for models with restoring weights, at no cost per
    frame; `strength` is 0 (a plain bicubic upscale) to 1 (the network).

    `matrix`, a number or a name, is for frames without `_Matrix`, else their height decides. `tile` is
    (width, height) in source pixels. Loads the model and fetches no frame. Raises UsageError, FormatError, WeightsError
    or BackendError.
    """
    load()
    check_clip(clip)
    shape = shape_of(clip, scale=scale, width=width, height=height, format=format)
    fallback = None if matrix is None else matrix_of(matrix)
    engine = Engine.open(
        model, backend=backend, device=device, device_index=device_index, precision=precision, threads=threads,
        denoise=denoise, tile=tile, tile_pad=tile_pad, sc_threshold=sc_threshold, strength=strength,
        color_fix=color_fix,
    )  # fmt: skip
    return _through(engine, *enter(clip, fallback), shape, fallback, float(denoise))


def _through(
    engine: Engine,
    door: vs.VideoNode,
    rgb: vs.VideoNode,
    shape: Shape,
    matrix: int | None,
    denoise: float,
) -> vs.VideoNode:
    """The clip's way through the engine. Where that makes planes, a second filter asks it for them: formats do not
    change within a clip, and frames whose colours only VapourSynth knows go the other way.
    """
    request, ready = Request(door, shape, matrix), None
    usual = request.of({})
    if usual and engine.finishes(door.height, door.width, usual):
        rgb = marked(rgb, door)
        ready = Ready(shape.format.id, lambda frame: request.of(properties_of(frame)))
    screening = Screening(rgb, engine, ready)

    def stream(format: int) -> vs.VideoNode:
        return filters()["stream"](clip=rgb, func=screening, format=format, scale=engine.scale, ahead=engine.lookahead)

    planes = stream(ready.format) if ready else None
    notes = {"AdcVSRModel": engine.spec.name, "AdcVSRBackend": engine.label, "AdcVSRDenoise": denoise}
    return leave(stream(format_of(engine)), door, shape, matrix, ready=planes, notes=notes)


def load() -> None:
    """Loads the plugin into the current core, unless it is there: for installs that VapourSynth does not search."""
    if not hasattr(vs.core, "adcvsr"):
        vs.core.std.LoadPlugin(str(library()))


def library() -> Path:
    """The plugin's file: `ADCVSR_PLUGIN`, else inside the installed package, else beside VapourSynth itself."""
    if named := os.environ.get("ADCVSR_PLUGIN"):
        return Path(named)
    roots = [Path(__file__).parents[2], Path(vs.__file__).parents[1]]
    with suppress(metadata.PackageNotFoundError):  # a checkout that is not installed
        roots.append(Path(str(metadata.distribution("vsadcvsr").locate_file(""))))
    for root in roots:
        if (root / _PLUGIN).is_file():
            return root / _PLUGIN
    raise BackendError(f"the VapourSynth plugin {_PLUGIN.name} is missing; `pip install .` it, or set ADCVSR_PLUGIN")


def version() -> dict[str, str]:
    """Versions of what is installed, by name (what is not is left out), the plugin's file, and as `backend` what "auto"
    takes for the model `fast`.
    """
    found = {"python": platform.python_version()}
    for name in _REPORTED:
        try:
            found[name.replace("-", "_")] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    loaded = getattr(vs.core, "adcvsr", None)
    try:
        backend = backends.chosen(store.find("fast"))
    except AdcvsrError as error:
        backend = one_line(error)
    return {**found, "backend": backend, "plugin": str(loaded.plugin_path if loaded else library())}


def bind_upscale() -> None:
    """Hands the plugin the function that answers Upscale; the plugin itself calls this, on the thread that waits."""
    filters(bind=_upscale)


def bind_version() -> None:
    """As `bind_upscale`, for Version."""
    filters(bind=version)


def _upscale(clip: vs.VideoNode, **arguments: object) -> dict[str, object]:
    """Upscale as the plugin calls it. What a user can get wrong comes back as text: a raised error would be shown as a
    whole traceback.
    """
    tile = arguments.get("tile")
    if isinstance(tile, int):  # a list of one arrives as its element
        arguments["tile"] = [tile]
    answer: Callable[..., vs.VideoNode] = upscale
    try:
        return {"clip": answer(clip, **arguments)}
    except (AdcvsrError, vs.Error) as error:
        return {"error": message(error)}
