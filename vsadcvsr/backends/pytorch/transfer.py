"""Transfers between host and device.

On a GPU both directions use pinned memory and a stream of their own: the output of the previous step is downloaded and
the next frames are uploaded while a step computes. Output computed in half precision is transferred as fp16, which
halves the traffic and loses nothing; planes are transferred unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsadcvsr.nets.step_runner import StepOutput
from vsadcvsr.spec import Array

type PendingDownload = Callable[[], list[Array]]
"""Waits for frames that are on their way: fp32, new memory."""

type PlaneArray = NDArray[np.generic]
type Uploads = list[tuple[Array, Tensor]]
"""Arrays, and the device tensors to copy them to."""

_SLOTS = 2  # the frames of one step are downloaded while the next step runs


class Transfer(Protocol):
    """Copies a stream's frames to and from the device. Call each returned function before calling `download` twice
    more.
    """

    def upload(self, uploads: Uploads) -> None:
        """Copies arrays to where a step reads them."""

    def download(self, outputs: StepOutput) -> PendingDownload:
        """Starts the download of output frames."""

    def download_planes(self, outputs: StepOutput) -> Callable[[], list[PlaneArray]]:
        """Starts the download of planes, in their own type."""


class DirectTransfer:
    """For devices that share the host's memory."""

    def upload(self, uploads: Uploads) -> None:
        for array, target in uploads:
            target.copy_(torch.from_numpy(np.ascontiguousarray(array)))

    def download(self, outputs: StepOutput) -> PendingDownload:
        arrays = [to_host(part, torch.float32) for part in outputs]
        return lambda: arrays

    def download_planes(self, outputs: StepOutput) -> Callable[[], list[PlaneArray]]:
        arrays: list[PlaneArray] = [to_host(part, part.dtype) for part in outputs]
        return lambda: arrays


class PinnedTransfer:
    """For GPUs: copies on a side stream. To be called with `main` as the current stream."""

    def __init__(self, main: torch.cuda.Stream, side: torch.cuda.Stream, dtype: torch.dtype) -> None:
        self._main, self._side, self._dtype = main, side, dtype
        self._slots = [_Slot() for _ in range(_SLOTS)]
        self._turn = 0

    def upload(self, uploads: Uploads) -> None:
        self._turn = (self._turn + 1) % _SLOTS
        slot = self._slots[self._turn]
        slot.uploaded.synchronize()  # two steps ago: the pinned memory may be written again
        slot.fill(uploads)
        self._side.wait_event(slot.consumed)
        with torch.cuda.stream(self._side):
            for device_buffer, pinned_buffer in zip(slot.device_in, slot.pinned_in, strict=True):
                device_buffer.copy_(pinned_buffer, non_blocking=True)
            slot.uploaded.record(self._side)
        self._main.wait_event(slot.uploaded)
        for (_, target), device_buffer in zip(uploads, slot.device_in, strict=True):
            target.copy_(device_buffer)
        slot.consumed.record(self._main)

    def download(self, outputs: StepOutput) -> PendingDownload:
        slot = self._start_download(outputs, [self._dtype] * len(outputs))
        return lambda: [to_host(part, torch.float32) for part in slot.wait()]

    def download_planes(self, outputs: StepOutput) -> Callable[[], list[PlaneArray]]:
        slot = self._start_download(outputs, [part.dtype for part in outputs])
        return lambda: [to_host(part, part.dtype) for part in slot.wait()]

    def _start_download(self, outputs: StepOutput, types: list[torch.dtype]) -> _Slot:
        slot = self._slots[self._turn]
        self._main.wait_event(slot.downloaded)
        slot.collect(outputs, types)
        slot.ready.record(self._main)
        self._side.wait_event(slot.ready)
        with torch.cuda.stream(self._side):
            for pinned_buffer, device_buffer in zip(slot.pinned_out, slot.device_out, strict=True):
                pinned_buffer.copy_(device_buffer, non_blocking=True)
            slot.downloaded.record(self._side)
        return slot


class _Slot:
    """Buffers of one step's input and output on both sides, and the events that guard them."""

    def __init__(self) -> None:
        self.pinned_in: list[Tensor] = []
        self.device_in: list[Tensor] = []
        self.device_out: list[Tensor] = []
        self.pinned_out: list[Tensor] = []
        self.uploaded, self.consumed, self.ready, self.downloaded = (_event() for _ in range(4))

    def fill(self, uploads: Uploads) -> None:
        """Copies arrays into pinned memory."""
        if [part.shape for part in self.device_in] != [target.shape for _, target in uploads]:
            self.device_in = [torch.empty(target.shape, device=target.device) for _, target in uploads]
            self.pinned_in = [_pinned_like(target, torch.float32) for _, target in uploads]
        for buffer, (array, _) in zip(self.pinned_in, uploads, strict=True):
            buffer.numpy()[...] = array

    def collect(self, outputs: StepOutput, types: list[torch.dtype]) -> None:
        """Copies output out of the step's own memory, in the types of the transfer."""
        expected = list(zip(outputs, types, strict=True))
        if [(part.shape, part.dtype) for part in self.device_out] != [(part.shape, type) for part, type in expected]:
            self.device_out = [torch.empty(part.shape, dtype=type, device=part.device) for part, type in expected]
            self.pinned_out = [_pinned_like(part, type) for part, type in expected]
        for buffer, part in zip(self.device_out, outputs, strict=True):
            buffer.copy_(part)

    def wait(self) -> list[Tensor]:
        """The downloaded buffers, once complete; valid until the next download of this slot."""
        self.downloaded.synchronize()
        return self.pinned_out


def to_host(tensor: Tensor, type: torch.dtype) -> NDArray[Any]:
    """A copy in host memory, in the given type."""
    copy = torch.empty(tensor.shape, dtype=type)
    copy.copy_(tensor)
    return copy.numpy()


def _pinned_like(like: Tensor, type: torch.dtype) -> Tensor:
    """Pinned host memory, which a GPU can access directly."""
    return torch.empty(like.shape, dtype=type, pin_memory=True)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no types for it
