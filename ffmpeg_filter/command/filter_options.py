"""Options of `adcvsr=…` in a filter graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from fractions import Fraction

from ffmpeg_filter.command import filtergraph, timeline
from vsadcvsr.engine import load
from vsadcvsr.errors import UsageError, near_misses
from vsadcvsr.plugin.formats import matrix_number
from vsadcvsr.plugin.output_shape import MAX_SIDE

_ALIASES = {"w": "width", "h": "height"}
_HINTS = dict.fromkeys(("format", "pix_fmt"), "pixel formats are for a filter after it: adcvsr,format=yuv420p10le")
_HELP = {
    "model": ("<string>", "a model's name (adcvsr models), or the path of an .onnx, .safetensors or .pth file"),
    "scale": ("<int>", "1 to the model's largest, the default; where it has no such network, a downscale of the next"),
    "width": ("<int>", "output width in pixels; -1 keeps the aspect ratio, -2 makes it even too, 0: by scale; also w"),
    "height": ("<int>", "output height in pixels, like width; also h"),
    "matrix": ("<string>", "matrix of untagged frames, a number of H.273 or a name such as bt709; default by height"),
    "backend": ("<string>", "auto, ort, openvino or torch"),
    "device": ("<string>", "auto, cpu, cuda, tensorrt, directml, coreml, or gpu (OpenVINO)"),
    "device_index": ("<int>", "number of the GPU, from 0"),
    "precision": ("<string>", "auto, fp32, fp16, bf16 or int8"),
    "tile": ("<width>x<height>", "size of tiles in source pixels, for frames that do not fit into memory"),
    "tile_pad": ("<int>", "overlap on each side of a tile in source pixels"),
    "sc_threshold": ("<float>", "score from which a frame starts a scene, 0.22 by default; 0 disables cut detection"),
    "denoise": ("<float>", "restoration of bad sources, 0 (faithful) to 1, for models with restoring weights"),
    "steady": ("<float>", "0 to 1: less flicker of what moves, by two more frames on each side; needs extra steady"),
    "sharpen": ("<float>", "0 (the network's own sharpness) to 2: weak texture comes out; up to 1, edges get no halo"),
    "strength": ("<float>", "0 (bicubic interpolation) to 1 (the network)"),
    "color_fix": ("<string>", "none, or frame: mean and deviation of each channel as in the source"),
    "threads": ("<int>", "CPU threads of the model; 0: all cores"),
    "num_streams": ("<int>", "frames that an image network computes at once on a CPU; the bits are the same"),
    "backend_options": ("<string>", "options of the backend's library by its own names, key=value&key=value"),
    "enable": ("<expression>", "expression of t and n: the network where it is not 0, else bicubic interpolation"),
}


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """Arguments of `core.adcvsr.Upscale`, except that `width` and `height` may be 0, -1 or -2, and `enable`."""

    model: str = "fast"
    scale: int | None = None
    width: int | None = None
    height: int | None = None
    matrix: int | None = None
    backend: str = "auto"
    device: str = "auto"
    device_index: int = 0
    precision: str = "auto"
    tile: tuple[int, int] | None = None
    tile_pad: int | None = None
    sc_threshold: float | None = None
    denoise: float = 0.0
    steady: float = 0.0
    sharpen: float = 0.0
    strength: float = 1.0
    color_fix: str | None = None
    threads: int = 0
    num_streams: int = 1
    backend_options: str = ""
    enable: str | None = None

    def upscale_arguments(self, width: int, height: int) -> dict[str, object]:
        """Keyword arguments for a clip of that size, without unset ones."""
        arguments = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "enable"}
        arguments |= dict(zip(("width", "height"), self._size(width, height), strict=True))
        return {name: value for name, value in arguments.items() if value is not None}

    def output_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of the output for a clip of that size."""
        across, down = self._size(width, height)
        scale = 1 if across and down else self._output_scale()
        return across or width * scale, down or height * scale

    def _output_scale(self) -> int:
        """The scale that is asked for, else the model's largest."""
        return self.scale or load(self.model, backend=self.backend, device=self.device).spec.scale

    def _size(self, width: int, height: int) -> tuple[int | None, int | None]:
        """The exact output size; (None, None) if `scale` decides."""
        across, down = self.width or 0, self.height or 0
        if across <= 0 and down <= 0:
            if min(across, down) > -2:
                return None, None
            scale = self._output_scale()
            return _rounded_length(across, width * scale), _rounded_length(down, height * scale)
        if across <= 0:
            across = _rounded_length(across, Fraction(width * down, height) if across else width * self._output_scale())
        elif down <= 0:
            down = _rounded_length(down, Fraction(height * across, width) if down else height * self._output_scale())
        return across, down

    def activity(self) -> Callable[[Fraction | None, int], bool] | None:
        """The `enable` expression as a predicate of time (seconds) and frame number; None if it is always on."""
        return None if self.enable is None else timeline.condition(self.enable)

    def summary(self) -> str:
        """The model and all non-default options, in the syntax of `parse`."""
        defaults = FilterOptions()
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return ":".join(
            f"{name}={filtergraph.escape(_format_value(value), ':')}"
            for name, value in values.items()
            if name == "model" or value != getattr(defaults, name)
        )


def parse(text: str) -> FilterOptions:
    """Parses the text after `adcvsr=`; a first value without a key is the model. Raises UsageError."""
    values: dict[str, object] = {}
    for position, field in enumerate(filtergraph.fields(text) if text else []):
        key, equals, value = field.partition("=")
        if not equals:
            if position:
                raise UsageError(
                    f"adcvsr option {field!r} has no key; write key=value:key=value (the model alone may go first)"
                )
            key, value = "model", key
        name = _ALIASES.get(key.strip(), key.strip())
        if name not in _HELP:
            hint = _HINTS.get(name) or near_misses(name, _HELP) or "see -h filter=adcvsr"
            raise UsageError(f"adcvsr has no option {key.strip()!r}; its options are {', '.join(_HELP)}; {hint}")
        values[name] = _check_value(name, _convert(name, filtergraph.unescape(value)))
    options = FilterOptions(**values)  # type: ignore[arg-type]  # converted by `_convert`
    options.activity()
    return options


def help_text() -> str:
    """Help in the style of `ffmpeg -h filter=scale`."""
    defaults = FilterOptions()
    lines = ["Filter adcvsr", "  Upscale video with AdcVSR.", "    Inputs:", "       #0: default (video)"]
    lines += ["    Outputs:", "       #0: default (video)", "adcvsr AVOptions:"]
    for name, (kind, meaning) in _HELP.items():
        default = getattr(defaults, name)
        shown = "" if default is None else f" (default {_format_value(default)})"
        lines.append(f"   {name:<16} {kind:<18} ..FV....... {meaning}{shown}")
    return "\n".join([*lines, "", "This filter has support for timeline through the 'enable' option."])


def _convert(name: str, value: str) -> object:
    if name == "matrix":
        return matrix_number(value)
    kind = _HELP[name][0]
    try:
        if kind == "<int>":
            return int(value)
        if kind == "<float>":
            return float(value)
        if kind.startswith("<width>"):
            width, _, height = value.partition("x")
            return int(width), int(height)
    except ValueError:
        raise UsageError.of(name, value, f"{kind}, {_HELP[name][1]}", "see -h filter=adcvsr") from None
    return value


def _check_value(name: str, value: object) -> object:
    if name in {"width", "height"} and value not in range(-2, MAX_SIDE + 1):
        raise UsageError.of(name, value, f"-2 to {MAX_SIDE}")
    return value


def _rounded_length(request: int, length: Fraction | int) -> int:
    """The nearest length that -1 (any) or -2 (even) allows."""
    step = max(1, -request)
    return max(step, int(Fraction(length) / step + Fraction(1, 2)) * step)


def _format_value(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
