"""VapourSynth functions: `core.adcvsr.Upscale` and its typed Python equivalent."""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import vapoursynth as vs

from vsadcvsr import backends
from vsadcvsr.engine import Engine
from vsadcvsr.environment import package_versions
from vsadcvsr.errors import AdcvsrError, one_line
from vsadcvsr.paths import compiled_library
from vsadcvsr.plugin.formats import (
    PlanarRequest,
    filters,
    from_rgb,
    matrix_number,
    source_properties,
    to_rgb,
    with_source_frames,
)
from vsadcvsr.plugin.frames import FAILURES, FrameRenderer, PlanarOutput, engine_format, message
from vsadcvsr.plugin.output_shape import OutputShape, SizeRequest, check_clip, resolve_shape
from vsadcvsr.weights import store

_REPORTED_PACKAGES = ("vsadcvsr", "vapoursynth", "numpy", "onnxruntime", "onnxruntime-gpu", "openvino", "torch")


def upscale(  # noqa: PLR0913 - the arguments of core.adcvsr.Upscale, all by name
    clip: vs.VideoNode,
    *,
    model: str = "fast",
    scale: float | None = None,
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
    steady: float = 0.0,
    sharpen: float = 0.0,
    strength: float = 1.0,
    color_fix: str | None = None,
    threads: int = 0,
    num_streams: int = 1,
    backend_options: str = "",
) -> vs.VideoNode:
    """The clip upscaled, in its own format unless `format` says otherwise, with every frame property kept.

    `model` is a name or the path of a weights file. `scale` is 1 to the model's largest, which is the default. The
    network of that scale runs, else that of the next larger one and a downscale; `width` and `height` are resized in
    the same way. The frame property `AdcVSRScale` is the network's. `denoise`, 0 (decent sources) to 1 (bad ones), is
    for models with restoring weights, at no cost per frame; `strength` is 0 (a plain bicubic upscale) to 1 (the
    network). `steady`, 0 to 1, takes flicker out of what moves, by two more frames before and after; it needs OpenCV.
    `sharpen`, 0 to 2, brings out weak texture.

    `matrix`, a number or a name, is for frames without `_Matrix`, else their height decides. `tile` is
    (width, height) in source pixels. `num_streams` frames of an image network are computed at once on a CPU; the bits
    are the same. `backend_options` are passed to the backend's library, `key=value&key=value`. Loads the model and
    fetches no frame. Raises UsageError, FormatError, WeightsError or BackendError.
    """
    load()
    check_clip(clip)
    request = SizeRequest.checked(scale, width, height)
    fallback = None if matrix is None else matrix_number(matrix)
    engine = Engine.open(
        model, scale=request.least_scale(clip.width, clip.height), backend=backend, device=device,
        device_index=device_index, precision=precision, threads=threads, denoise=denoise, steady=steady,
        sharpen=sharpen, tile=tile, tile_pad=tile_pad, sc_threshold=sc_threshold, strength=strength,
        color_fix=color_fix, num_streams=num_streams, backend_options=backend_options,
    )  # fmt: skip
    shape = resolve_shape(clip, request, engine.spec, format=format)
    settings = {"AdcVSRDenoise": float(denoise), "AdcVSRSteady": float(steady), "AdcVSRSharpen": float(sharpen)}
    failed = deque[int](maxlen=FAILURES)
    source, rgb = to_rgb(clip, shape, fallback, failed=failed)
    return _build_graph(engine, source, rgb, shape, fallback, settings, failed)


def _build_graph(
    engine: Engine,
    source: vs.VideoNode,
    rgb: vs.VideoNode,
    shape: OutputShape,
    matrix: int | None,
    settings: Mapping[str, float],
    failed: deque[int],
) -> vs.VideoNode:
    """The clip's filter graph. If the backend can produce planar output, a second filter requests it, since formats do
    not change within a clip; frames with matrices that only VapourSynth can convert use the RGB path.
    """
    planar_request, planar = PlanarRequest(source, shape, matrix, engine.scale), None
    default_format = planar_request.color_format({})
    if default_format and engine.planar_output(source.height, source.width, default_format):
        rgb = with_source_frames(rgb, source)
        planar = PlanarOutput(shape.format.id, lambda frame: planar_request.color_format(source_properties(frame)))
    renderer = FrameRenderer(rgb, engine, planar, failed)

    def stream(format: int) -> vs.VideoNode:
        return filters()["stream"](
            clip=rgb, func=renderer, format=format, scale=engine.scale, ahead=engine.lookahead, streams=engine.streams
        )

    planar_node = stream(planar.format) if planar else None
    properties = {
        "AdcVSRModel": engine.spec.name, "AdcVSRScale": engine.scale, "AdcVSRBackend": engine.label,
        **settings,
    }  # fmt: skip
    return from_rgb(stream(engine_format(engine)), source, shape, matrix, planar=planar_node, properties=properties)


def load() -> None:
    """Loads the plugin into the current core, if it is not loaded: for installs that VapourSynth does not search."""
    if not hasattr(vs.core, "adcvsr"):
        vs.core.std.LoadPlugin(str(compiled_library()))


def version() -> dict[str, str]:
    """Versions of installed packages by name, the plugin's file, and as `backend` the choice of "auto" for the model
    `fast`.
    """
    versions = {"python": platform.python_version(), **package_versions(_REPORTED_PACKAGES)}
    loaded = getattr(vs.core, "adcvsr", None)
    try:
        backend = backends.automatic_backend(store.find("fast"))
    except AdcvsrError as error:
        backend = one_line(error)
    versions |= {"backend": backend, "plugin": str(loaded.plugin_path if loaded else compiled_library())}
    return {name.replace("-", "_"): value for name, value in versions.items()}  # names of a VapourSynth map


def bind_upscale() -> None:
    """Passes the plugin the Python function behind Upscale; called by the plugin itself, on the waiting thread."""
    filters(bind=_upscale)


def bind_version() -> None:
    """As `bind_upscale`, for Version."""
    filters(bind=version)


def _upscale(clip: vs.VideoNode, **arguments: object) -> dict[str, object]:
    """Upscale as the plugin calls it. User errors are returned as text: a raised exception would be shown as a whole
    traceback.
    """
    tile = arguments.get("tile")
    if isinstance(tile, int):  # a list of one arrives as its element
        arguments["tile"] = [tile]
    function: Callable[..., vs.VideoNode] = upscale
    try:
        return {"clip": function(clip, **arguments)}
    except (AdcvsrError, vs.Error) as error:
        return {"error": message(error)}
