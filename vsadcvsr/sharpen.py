"""Sharpening of output frames: an unsharp mask on luma that is strongest where contrast is low.

A network that is trained by regression makes the mean of all that could be there, so the fine texture of skin, cloth or
asphalt comes out too weak, while edges keep most of their contrast. Here the difference of luma from its local mean is
amplified by `_GAIN`, times `_CONTRAST` over that plus its local standard deviation: weak texture gets nearly all of
it, and an edge gets a change of some times `_CONTRAST`, which leaves no halo up to 1 and a faint line beyond.

The neighbourhoods have 5x5 pixels of the output. The sums have a fixed order: the same bits on every machine.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np

from vsadcvsr import argument_checks
from vsadcvsr.color import luma
from vsadcvsr.errors import BackendError, one_line
from vsadcvsr.output import BaseAndDetail, NetworkOutput
from vsadcvsr.paths import compiled_library
from vsadcvsr.spec import Array

ALLOWED = "0 (the network's own sharpness) to 2 (most)"

_GAIN = 2.5
"""Amplification of the weakest texture at 1."""
_CONTRAST = 0.01
"""Local standard deviation of luma, 0 to 1, that gets half of the amplification."""


def checked(sharpen: float) -> float:
    """`sharpen`, if it is from 0 to 2. Raises UsageError, or BackendError if it is above 0 and the library is missing.
    """
    argument_checks.in_range("sharpen", sharpen, (0, 2), ALLOWED)
    if sharpen:
        _kernel()
    return float(sharpen)


def sharpened(output: NetworkOutput, amount: float) -> NetworkOutput:
    """The output of one frame, sharpened by `amount`, above 0 to 2; not clamped. Raises MemoryError."""
    if isinstance(output, BaseAndDetail):
        return BaseAndDetail(output.base, _run(luma(output.base), output.detail, amount))
    return output + luma_change(luma(output), amount)


def luma_change(plane: Array, amount: float) -> Array:
    """What sharpening by `amount` adds to luma (H, W), which is clamped to 0..1. Raises MemoryError."""
    return _run(plane, None, amount)


def _run(base: Array, detail: Array | None, amount: float) -> Array:
    """The detail of luma (H, W) with its change, for a base of luma; without detail the change of the base itself."""
    base = np.ascontiguousarray(base, np.float32)
    detail = None if detail is None else np.ascontiguousarray(detail, np.float32)
    result = np.empty(base.shape if detail is None else detail.shape, np.float32)
    height, width = result.shape
    pointers = base.ctypes.data, None if detail is None else detail.ctypes.data, result.ctypes.data
    if not _kernel()(*pointers, height, width, width // base.shape[1], amount * _GAIN, _CONTRAST):
        raise MemoryError
    return result


@cache
def _kernel() -> Callable[..., int]:
    """The function of `native/sharpen.c`. Raises BackendError where the library is missing or an older one."""
    library = compiled_library()
    try:
        function = ctypes.CDLL(str(library)).adcvsr_sharpen
    except (OSError, AttributeError) as error:
        raise BackendError(f"sharpen cannot use {library} ({one_line(error)}); install vsadcvsr again") from error
    pointer, size, number = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_float
    function.argtypes = [pointer, pointer, pointer, size, size, ctypes.c_int, number, number]
    result: Callable[..., int] = function
    return result
