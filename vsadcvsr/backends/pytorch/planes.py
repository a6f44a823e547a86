"""Conversion of output frames to the planes of video frames, on the device: a float RGB frame has eight times the bytes
of its 4:2:0 planes, and a GPU produces far more frames than a CPU can convert.

The arithmetic is that of `vsadcvsr.postprocess` and of VapourSynth's `resize`, in the same order and in fp32; integer
samples are within one code of theirs, and nearly all are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsadcvsr.backends.pytorch.cuda_graphs import CapturedGraph, GraphPool
from vsadcvsr.color import ColorFormat, OutputFormat
from vsadcvsr.nets.compact import join
from vsadcvsr.nets.step_runner import StepOutput
from vsadcvsr.output import Plane, Planes
from vsadcvsr.resample import BICUBIC, BILINEAR, Kernel, taps

_MAX_CONVERTERS = 8


class Resampler:
    """Resamples the last two axes of (N, H, W)."""

    def __init__(
        self, kernel: Kernel, source: tuple[int, int], target: tuple[int, int], device: torch.device,
        shifts: tuple[float, float] = (0.0, 0.0),
    ) -> None:  # fmt: skip
        self._axes = []
        for axis in (2, 1):
            resampling = taps(kernel, source[axis - 1], target[axis - 1], shifts[axis - 1])
            weights = torch.from_numpy(resampling.weights.T.copy()).to(device).unsqueeze(3 - axis)
            self._axes.append((axis, torch.from_numpy(resampling.indices.T.copy()).to(device), weights))

    def __call__(self, planes: Tensor) -> Tensor:
        for axis, indices, weights in self._axes:
            output = planes.index_select(axis, indices[0]) * weights[0]
            for index, weight in zip(indices[1:], weights[1:], strict=True):
                output.addcmul_(planes.index_select(axis, index), weight)
            planes = output
        return planes


class PlaneConverter:
    """Converts output frames of one size to planes; stateless between frames.

    `source` (3, H, W) holds the source frame if `output_format.needs_source`.
    """

    def __init__(self, output_format: OutputFormat, device: torch.device, pool: GraphPool | None = None) -> None:
        self.output_format = output_format
        self.source = torch.zeros(3, output_format.height, output_format.width, device=device)
        self._graphs = pool
        self._captured: tuple[StepOutput, CapturedGraph] | None = None
        self._color_format = output_format.color_format
        self._luma_planes = 3 if output_format.color_format.family == "RGB" else 1  # planes that detail is added to
        self._coefficients = torch.tensor(output_format.color_format.rgb_to_planes, device=device)
        small, large = (output_format.height, output_format.width), output_format.output_size
        self._luma = Resampler(BILINEAR, small, large, device)
        self._bicubic = Resampler(BICUBIC, small, large, device) if output_format.strength != 1 else None
        self._shifts = output_format.color_format.chroma_shifts()
        self._chroma = {size: self._chroma_resampler(size, device) for size in (small, large)}

    def _chroma_resampler(self, size: tuple[int, int], device: torch.device) -> Resampler | None:
        target = self._color_format.plane_size(1, *self.output_format.output_size)
        down, across = (shift * size[0] / self.output_format.output_size[0] for shift in self._shifts)
        if self._color_format.family != "YUV" or (target == size and not (down or across)):
            return None
        return Resampler(BICUBIC, size, target, device, (down, across))

    def run(self, outputs: StepOutput, *, is_static: bool = False) -> StepOutput:
        """The planes of an RGB frame (1, …), or of base and detail, and behind them whether all values are finite (1 or
        0).

        `is_static` says that all further output is in the same memory, so that the conversion may be captured.
        """
        if not is_static:
            return self._planes(outputs)
        if self._captured is None or self._captured[0] is not outputs:
            self._captured = outputs, CapturedGraph(lambda: self._planes(outputs), self.output_format, self._graphs)
        return self._captured[1].run()

    def _planes(self, outputs: StepOutput) -> StepOutput:
        parts = self._cropped(outputs)
        if len(parts) == 1 or self.output_format.needs_source:
            frame = self._postprocess(parts[0][0] if len(parts) == 1 else join(*parts)[0])
            planes = self._to_planes(frame.clamp(0, 1))
            return (
                *self._quantize_planes(planes[: self._luma_planes], planes[1:]),
                (~frame.amax().isnan()).to(torch.uint8),
            )
        base, detail = parts
        planes = self._to_planes(base[0])
        luma = (self._luma(planes[: self._luma_planes]) + detail).clamp(0, 1)
        is_finite = base.sum().isfinite() & detail.sum().isfinite()
        return (*self._quantize_planes(luma, planes[1:]), is_finite.to(torch.uint8))

    def _cropped(self, outputs: StepOutput) -> list[Tensor]:
        """The outputs without padding."""
        sizes = [(self.output_format.height, self.output_format.width), self.output_format.output_size][-len(outputs) :]
        return [part[..., :height, :width].float() for part, (height, width) in zip(outputs, sizes, strict=True)]

    def _postprocess(self, frame: Tensor) -> Tensor:
        if self.output_format.color_fix == "frame":
            frame = match_statistics(frame, self.source)
        if self._bicubic is not None:
            bicubic = self._bicubic(self.source)
            frame = bicubic + self.output_format.strength * (frame - bicubic)
        return frame

    def _to_planes(self, rgb: Tensor) -> Tensor:
        """The planes of (3, H, W), before subsampling."""
        if self._color_format.family == "RGB":
            return rgb
        r, g, b = self._coefficients[:, :, None, None].unbind(1)
        return (r * rgb[0]).addcmul_(g, rgb[1]).addcmul_(b, rgb[2])

    def _quantize_planes(self, luma: Tensor, chroma: Tensor) -> list[Tensor]:
        planes = list(luma)
        if self._color_format.family == "YUV":
            resampler = self._chroma[(chroma.shape[1], chroma.shape[2])]
            planes += list(chroma if resampler is None else resampler(chroma))
        return [quantize(plane, self._color_format, index) for index, plane in enumerate(planes)]


class PlaneConverters:
    """The converters of one stream, created on first use."""

    def __init__(self, device: torch.device, pool: GraphPool | None) -> None:
        self._device, self._graphs = device, pool
        self._converters: dict[OutputFormat, PlaneConverter] = {}

    def of(self, output_format: OutputFormat) -> PlaneConverter:
        """The converter of a format. Clips that change colour all the time get new ones instead of keeping many."""
        if output_format not in self._converters:
            if len(self._converters) == _MAX_CONVERTERS:
                self._converters.clear()
            self._converters[output_format] = PlaneConverter(output_format, self._device, self._graphs)
        return self._converters[output_format]


def planes_from_host(arrays: Sequence[NDArray[np.generic]]) -> Planes:
    """Planes of downloaded arrays."""
    planes = tuple(plane.view(np.uint16) if plane.dtype == np.int16 else plane for plane in arrays[:-1])
    return Planes(cast("tuple[Plane, ...]", planes), bool(arrays[-1]))


def match_statistics(frame: Tensor, source: Tensor) -> Tensor:
    """See `vsadcvsr.postprocess.match_statistics`."""
    means, deviations = _statistics(frame)
    target_means, target_deviations = _statistics(source)
    gains = torch.where(deviations > 0, target_deviations / deviations, 1.0)
    offsets = target_means - gains * means
    return frame * gains.float() + offsets.float()


def _statistics(frame: Tensor) -> tuple[Tensor, Tensor]:
    flat = frame.double()
    pixels = frame[0].numel()
    return flat.mean(dim=(1, 2), keepdim=True), flat.std(dim=(1, 2), correction=min(1, pixels - 1), keepdim=True)


def quantize(plane: Tensor, color_format: ColorFormat, index: int) -> Tensor:
    """A float plane as samples of the format. Samples of more than 8 bits are in int16, to be read as unsigned: torch
    supports little for uint16.
    """
    if color_format.is_float:
        return plane.to(torch.float16 if color_format.bits == 16 else torch.float32).contiguous()
    quantization = color_format.quantization(index)
    samples = torch.round(plane * quantization.gain + quantization.offset).clamp(0, quantization.peak)
    return samples.to(torch.uint8) if color_format.bits == 8 else samples.to(torch.int32).to(torch.int16)
