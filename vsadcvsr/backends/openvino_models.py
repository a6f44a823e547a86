"""Networks of ONNX files on OpenVINO: of our export, or image networks of any origin."""

from __future__ import annotations

from pathlib import Path

from vsadcvsr.backends import Backend, BackendOptions
from vsadcvsr.backends.onnx_metadata import KEY
from vsadcvsr.backends.openvino import OpenVino, read_graph
from vsadcvsr.backends.openvino_images import image_backend
from vsadcvsr.backends.openvino_runtime import check_properties, device_name


def open_model(path: Path, options: BackendOptions) -> Backend:
    """The network of an ONNX file: of our export, or else an image network. Raises WeightsError or BackendError."""
    check_properties(options, device_name(options))
    model = read_graph(path, options.blend)
    if model.has_rt_info(["framework", KEY]):
        return OpenVino(path, options, model)
    return image_backend(path, options, model)
