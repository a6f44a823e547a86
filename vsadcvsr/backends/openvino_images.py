"""Image networks of any origin on OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.backends import BackendOptions
from vsadcvsr.backends.buffer_pool import BufferPool
from vsadcvsr.backends.host_memory import TilePlanner
from vsadcvsr.backends.image_backend import ImageBackend, Run
from vsadcvsr.backends.image_facts import ImageFacts, Port, Shape, inspect
from vsadcvsr.backends.openvino import TYPES, supports_bf16
from vsadcvsr.backends.openvino_runtime import (
    PrePostProcessor,
    core,
    device_name,
    mapped_error,
    openvino,
    precision_on_gpu,
    settings,
    zero_copy,
)
from vsadcvsr.errors import BackendError, one_line

_ELEMENT_TYPES = {"f32": "float32", "f16": "float16"}


def image_backend(path: Path, options: BackendOptions, model: Any) -> ImageBackend:  # noqa: ANN401 - no types
    """The image network of a graph. Raises WeightsError, or BackendError for another precision."""

    def shape_of(_: str, shape: Shape) -> Shape:
        sized = model.clone()
        try:
            sized.reshape({0: list(shape)})
            return tuple(sized.output(0).shape)
        except RuntimeError as error:
            raise BackendError(one_line(error, 200)) from error

    facts = inspect(path, _ports(model.inputs), _ports(model.outputs), shape_of)
    device = device_name(options)
    available = _available(device)
    precision = precision_on_gpu(options.precision) if device != "CPU" else options.precision
    precision = "fp32" if precision == "auto" else precision
    if precision not in available:
        raise BackendError(
            f"precision {precision!r} is not available to backend 'openvino' for {path.name}, "
            f"available: {', '.join(available)}"
        )
    streams = options.num_streams if device == "CPU" else 1
    prepare = _Compiler(model, facts, device, settings(TYPES[precision], options, streams=streams))
    spec = facts.spec(path.stem, available)
    label = f"openvino/{'cpu' if device == 'CPU' else 'gpu'}/{precision}"
    return ImageBackend(
        facts, spec, label, prepare=prepare.prepare, type="float32", streams=streams,
        planner=TilePlanner(streams) if device == "CPU" else None,
    )  # fmt: skip


def _available(device: str) -> tuple[str, ...]:
    """The precisions of a device."""
    if device != "CPU":
        return ("fp32", "fp16")
    return ("fp32", "bf16") if supports_bf16() else ("fp32",)


class _Compiler:
    """Graphs compiled for one image size each, with images in fp32."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - no types
        facts: ImageFacts,
        device: str,
        settings: dict[str, str],
    ) -> None:
        self._model = model
        self._facts = facts
        self._device = device
        self._settings = settings
        self._compiled = cache(self._compile)

    def prepare(self, height: int, width: int) -> Run:
        """The function that computes the output for images of (height, width), one at a time."""
        try:
            request = self._compiled(height, width).create_infer_request()
        except RuntimeError as error:
            raise mapped_error(error) from error
        outputs = BufferPool(self._facts.shape(height * self._facts.scale, width * self._facts.scale))

        def run(image: NDArray[np.generic]) -> NDArray[np.generic]:
            output = outputs.take()
            try:
                request.set_input_tensor(zero_copy(np.asarray(image, np.float32)))
                request.set_output_tensor(zero_copy(output))
                request.infer()
            except RuntimeError as error:
                raise mapped_error(error) from error
            return output

        return run

    def _compile(self, height: int, width: int) -> Any:  # noqa: ANN401 - no types
        model = self._model.clone()
        model.reshape({0: list(self._facts.shape(height, width))})
        steps = PrePostProcessor(model)
        for side in (steps.input(), steps.output()):
            side.tensor().set_element_type(openvino.Type.f32)
        return core().compile_model(steps.build(), self._device, self._settings)


def _ports(nodes: Sequence[Any]) -> list[Port]:
    """Inputs or outputs of a graph."""
    types = [str(node.element_type.get_type_name()) for node in nodes]
    return [
        Port(_name(node), _ELEMENT_TYPES.get(type, type), _shape(node)) for node, type in zip(nodes, types, strict=True)
    ]


def _name(node: Any) -> str:  # noqa: ANN401 - no types
    return str(node.get_any_name()) if node.get_names() else "unnamed"


def _shape(node: Any) -> tuple[int | None, ...] | None:  # noqa: ANN401 - no types
    """The sizes of an array, None for those that are not fixed."""
    shape = node.partial_shape
    if shape.rank.is_dynamic:
        return None
    return tuple(None if side.is_dynamic else side.get_length() for side in shape)
