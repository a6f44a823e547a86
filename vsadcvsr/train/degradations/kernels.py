"""Blur kernels of the Real-ESRGAN family, (size, size) float32 that sum to one; sizes are odd, sigmas in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Kernel = NDArray[np.float32]

KINDS = ("iso", "aniso", "general_iso", "general_aniso", "plateau_iso", "plateau_aniso", "sinc")


def blur_kernel(kind: str, size: int, *, sigma: tuple[float, float], angle: float, beta: float, omega: float) -> Kernel:
    """The kernel of a kind. Isotropic kinds take sigma[0] only; `beta` shapes the general and plateau kinds; `omega` is
    the cutoff of `sinc` in radians per pixel."""
    if kind == "sinc":
        return sinc_kernel(size, omega)
    wide = sigma if kind.endswith("aniso") and kind != "iso" else (sigma[0], sigma[0])
    distance = _squared_distance(size, wide, angle)
    if kind.startswith("general"):
        shape = np.exp(-0.5 * distance**beta)
    elif kind.startswith("plateau"):
        shape = 1 / (1 + distance**beta)
    else:
        shape = np.exp(-0.5 * distance)
    return _normal(shape)


def line_kernel(size: int, sigma: float) -> Kernel:
    """The line (size, 1) whose outer product with itself is the `iso` kernel."""
    shape = np.exp(-0.5 * ((np.arange(size, dtype=np.float64) - size // 2) / sigma) ** 2)
    return _normal(shape[:, None])


def sinc_kernel(size: int, omega: float) -> Kernel:
    """The circular low-pass filter of cutoff `omega`, which rings as resizers and sharpeners do."""
    y, x = _grid(size)
    radius = np.hypot(x, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        shape = omega * _bessel1(omega * radius) / (2 * np.pi * radius)
    shape[size // 2, size // 2] = omega**2 / (4 * np.pi)
    return _normal(shape)


def _grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    line = np.arange(size, dtype=np.float64) - size // 2
    return np.meshgrid(line, line, indexing="ij")


def _squared_distance(size: int, sigma: tuple[float, float], angle: float) -> NDArray[np.float64]:
    y, x = _grid(size)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return np.asarray((along / sigma[0]) ** 2 + (across / sigma[1]) ** 2)


def _bessel1(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """J1 by its integral: the mean of cos(t - x sin t) over t in 0..pi; exact to 1e-12 for the x of these kernels."""
    t = (np.arange(128) + 0.5) * np.pi / 128
    return np.asarray(np.cos(t - x[..., None] * np.sin(t)).mean(-1))


def _normal(shape: NDArray[np.float64]) -> Kernel:
    return np.asarray(shape / shape.sum(), dtype=np.float32)
