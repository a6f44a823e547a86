"""Pictures to the planes of video frames, on the device that made them: a picture of RGB in float has eight times the
bytes of its 4:2:0 planes, and a GPU could make far more of them than a CPU can convert.

What is counted is what `finishing` and VapourSynth's `resize` do, in the same order and in fp32; integers are within
one code of theirs, and nearly all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsadcvsr.backends.pytorch.cuda_graphs import Graphs, Recorded
from vsadcvsr.color import Encoding, Finish
from vsadcvsr.nets.compact import joined
from vsadcvsr.nets.step_runner import Made
from vsadcvsr.output import Plane, Planes
from vsadcvsr.resample import BICUBIC, BILINEAR, Kernel, taps

_MOST = 8


class Lines:
    """Resamples the last two axes of (N, H, W)."""

    def __init__(
        self, kernel: Kernel, source: tuple[int, int], target: tuple[int, int], device: torch.device,
        shifts: tuple[float, float] = (0.0, 0.0),
    ) -> None:  # fmt: skip
        self._ways = []
        for axis in (2, 1):
            way = taps(kernel, source[axis - 1], target[axis - 1], shifts[axis - 1])
            weights = torch.from_numpy(way.weights.T.copy()).to(device).unsqueeze(3 - axis)
            self._ways.append((axis, torch.from_numpy(way.at.T.copy()).to(device), weights))

    def __call__(self, planes: Tensor) -> Tensor:
        for axis, at, weights in self._ways:
            made = planes.index_select(axis, at[0]) * weights[0]
            for places, weight in zip(at[1:], weights[1:], strict=True):
                made.addcmul_(planes.index_select(axis, places), weight)
            planes = made
        return planes


class PlaneMaker:
    """Makes planes of one picture of a size, time after time; nothing it does depends on what it did before.

    `source` (3, H, W) is to hold the picture's frame, where `finish.needs_source`.
    """

    def __init__(self, finish: Finish, device: torch.device, graphs: Graphs | None = None) -> None:
        self.finish = finish
        self.source = torch.zeros(3, finish.height, finish.width, device=device)
        self._graphs = graphs
        self._recorded: tuple[Made, Recorded] | None = None
        self._encoding = finish.encoding
        self._first = 3 if finish.encoding.family == "RGB" else 1  # planes that detail is added to
        self._rows = torch.tensor(finish.encoding.rows, device=device)
        small, large = (finish.height, finish.width), finish.size
        self._luma = Lines(BILINEAR, small, large, device)
        self._plain = Lines(BICUBIC, small, large, device) if finish.strength != 1 else None
        self._shifts = finish.encoding.shifts()
        self._chroma = {of: self._to_chroma(of, device) for of in (small, large)}

    def _to_chroma(self, of: tuple[int, int], device: torch.device) -> Lines | None:
        target = self._encoding.size(1, *self.finish.size)
        down, across = (shift * of[0] / self.finish.size[0] for shift in self._shifts)
        if self._encoding.family != "YUV" or (target == of and not (down or across)):
            return None
        return Lines(BICUBIC, of, target, device, (down, across))

    def run(self, made: Made, *, still: bool = False) -> Made:
        """The planes of a picture (1, …), or of its parts, and behind them whether it is all numbers (1 or 0).

        `still` says that all further pictures will be where this one is, so that the way may be recorded.
        """
        if not still:
            return self._planes(made)
        if self._recorded is None or self._recorded[0] is not made:
            self._recorded = made, Recorded(lambda: self._planes(made), self.finish, self._graphs)
        return self._recorded[1].run()

    def _planes(self, made: Made) -> Made:
        parts = self._inside(made)
        if len(parts) == 1 or self.finish.needs_source:
            picture = self._manner(parts[0][0] if len(parts) == 1 else joined(*parts)[0])
            mixed = self._mixed(picture.clamp(0, 1))
            return (*self._coded(mixed[: self._first], mixed[1:]), (~picture.amax().isnan()).to(torch.uint8))
        base, detail = parts
        mixed = self._mixed(base[0])
        luma = (self._luma(mixed[: self._first]) + detail).clamp(0, 1)
        sound = base.sum().isfinite() & detail.sum().isfinite()
        return (*self._coded(luma, mixed[1:]), sound.to(torch.uint8))

    def _inside(self, made: Made) -> list[Tensor]:
        """What is no padding."""
        sizes = [(self.finish.height, self.finish.width), self.finish.size][-len(made) :]
        return [part[..., :height, :width].float() for part, (height, width) in zip(made, sizes, strict=True)]

    def _manner(self, picture: Tensor) -> Tensor:
        if self.finish.color_fix == "frame":
            picture = matched(picture, self.source)
        if self._plain is not None:
            plain = self._plain(self.source)
            picture = plain + self.finish.strength * (picture - plain)
        return picture

    def _mixed(self, rgb: Tensor) -> Tensor:
        """The planes that (3, H, W) are to become, at their size."""
        if self._encoding.family == "RGB":
            return rgb
        red, green, blue = self._rows[:, :, None, None].unbind(1)
        return (red * rgb[0]).addcmul_(green, rgb[1]).addcmul_(blue, rgb[2])

    def _coded(self, luma: Tensor, chroma: Tensor) -> list[Tensor]:
        planes = list(luma)
        if self._encoding.family == "YUV":
            lines = self._chroma[(chroma.shape[1], chroma.shape[2])]
            planes += list(chroma if lines is None else lines(chroma))
        return [coded(plane, self._encoding, index) for index, plane in enumerate(planes)]


class PlaneMakers:
    """Those of one stream, made when they are first asked for."""

    def __init__(self, device: torch.device, graphs: Graphs | None) -> None:
        self._device, self._graphs = device, graphs
        self._made: dict[Finish, PlaneMaker] = {}

    def of(self, finish: Finish) -> PlaneMaker:
        """The one for such pictures. Clips whose colours change all the time get new ones, rather than many."""
        if finish not in self._made:
            if len(self._made) == _MOST:
                self._made.clear()
            self._made[finish] = PlaneMaker(finish, self._device, self._graphs)
        return self._made[finish]


def planes_of(codes: Sequence[NDArray[np.generic]]) -> Planes:
    """What a maker made, in the host's memory."""
    planes = tuple(plane.view(np.uint16) if plane.dtype == np.int16 else plane for plane in codes[:-1])
    return Planes(cast("tuple[Plane, ...]", planes), bool(codes[-1]))


def matched(picture: Tensor, source: Tensor) -> Tensor:
    """As `finishing.match_frame`."""
    means, spreads = _statistics(picture)
    wanted_means, wanted_spreads = _statistics(source)
    gains = torch.where(spreads > 0, wanted_spreads / spreads, 1.0)
    offsets = wanted_means - gains * means
    return picture * gains.float() + offsets.float()


def _statistics(frame: Tensor) -> tuple[Tensor, Tensor]:
    flat = frame.double()
    pixels = frame[0].numel()
    return flat.mean(dim=(1, 2), keepdim=True), flat.std(dim=(1, 2), correction=min(1, pixels - 1), keepdim=True)


def coded(plane: Tensor, encoding: Encoding, index: int) -> Tensor:
    """A plane of floats in samples of the encoding. Codes of more than 8 bits come in int16, to be read as unsigned:
    torch has little for uint16.
    """
    if encoding.is_float:
        return plane.to(torch.float16 if encoding.bits == 16 else torch.float32).contiguous()
    levels = encoding.levels(index)
    codes = torch.round(plane * levels.gain + levels.offset).clamp(0, levels.peak)
    return codes.to(torch.uint8) if encoding.bits == 8 else codes.to(torch.int32).to(torch.int16)
