"""torch: runs the networks of `vsadcvsr.nets` as they are, from the files that training made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsadcvsr.backends import Options, forget
from vsadcvsr.errors import BackendError
from vsadcvsr.picture import Parts, Picture
from vsadcvsr.spec import Array

try:
    import torch
    from torch import Tensor

    from vsadcvsr.nets.files import load_weights
except ImportError as error:
    words = f"backend 'torch' needs more than is installed ({error}); run `pip install vsadcvsr[torch]`"
    raise BackendError(words) from error

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_AUTO = {"cpu": "fp32", "cuda": "fp16"}
_NO_MEMORY = ("allocate", "not enough memory", "out of memory")


class Eager:
    """A network in evaluation mode. In half precision the convolutions are, while pictures and sums stay in fp32.

    `threads` is torch's own setting, so that it counts for the whole process.
    """

    def __init__(self, path: Path, options: Options) -> None:
        device = _device(options)
        net = load_weights(path)
        self.spec = net.spec
        precision = _precision(options.precision, device.type, self.spec.precisions)
        self.label = f"torch/{device.type}/{precision}"
        self._device, self._type = device, _TYPES[precision]
        if options.threads and device.type == "cpu":
            torch.set_num_threads(options.threads)
        self._net = net.to(device).to(memory_format=torch.channels_last)

    def start(self, height: int, width: int) -> object:
        try:
            return self._net.fresh_state(height, width)
        except RuntimeError as error:
            raise _failure(error) from error

    def step(self, frames: Array, links: Array, state: object) -> tuple[Picture, object]:
        assert isinstance(state, tuple)
        halves = self._type != torch.float32
        try:
            with torch.inference_mode(), torch.autocast(self._device.type, self._type, enabled=halves):
                made, following = self._net.step(self._sent(frames), self._sent(links), state)
                return Parts(*map(_fetched, made)) if isinstance(made, tuple) else _fetched(made), following
        except RuntimeError as error:
            raise _failure(error) from error

    def close(self) -> None:
        forget(self)

    def _sent(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _fetched(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.float().cpu().numpy())


def _device(options: Options) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    kind = ("cuda" if count else "cpu") if options.device == "auto" else options.device
    present = ["cpu", *(["cuda"] if count else [])]
    if kind not in present:
        raise BackendError(f"device {kind!r} is not available to backend 'torch', available: {', '.join(present)}")
    if kind == "cuda" and options.device_index >= count:
        raise BackendError(f"device_index {options.device_index} is not there, available: 0 to {count - 1}")
    return torch.device(kind, options.device_index) if kind == "cuda" else torch.device(kind)


def _precision(wanted: str, device: str, able: tuple[str, ...]) -> str:
    precision = (_AUTO[device] if _AUTO[device] in able else "fp32") if wanted == "auto" else wanted
    if precision not in able:
        raise BackendError(f"precision {precision!r} is not for this model, available: {', '.join(able)}")
    return precision


def _failure(error: RuntimeError) -> Exception:
    words = " ".join(str(error).split())[:300]
    if isinstance(error, torch.OutOfMemoryError) or any(sign in words.lower() for sign in _NO_MEMORY):
        return MemoryError(words)
    return BackendError(f"torch failed: {words}")
