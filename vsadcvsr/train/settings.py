"""One frozen value that is a whole training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from vsadcvsr.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything that decides the outcome of a regression run; two equal values give equal weights.

    `lr_size` is the side of a low-resolution crop in pixels, `frames` the length of a clip. The learning rate rises for
    `warmup` steps, stays, and falls along a cosine over the last `decay` share of the `steps`. `difference` weighs the
    loss on frame-to-frame differences, `luma` that on luma, beside a weight of 1 on RGB. `begin` is a weights file to
    start from; `temporal_only` then leaves all but the temporal blocks as they are.
    """

    model: str = "fast"
    pool: Path
    out: Path
    steps: int = 20_000
    batch: int = 4
    frames: int = 7
    lr_size: int = 48
    learning_rate: float = 8e-4
    final_rate: float = 1e-6
    warmup: int = 200
    decay: float = 0.4
    ema: float = 0.999
    luma: float = 0.5
    difference: float = 1.2
    begin: Path | None = None
    temporal_only: bool = False
    seed: int = 0
    bf16: bool = True
    threads: int = 2
    save_every: int = 500

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "frames", "save_every", "threads"):
            if getattr(self, name) < 1:
                raise UsageError.of(name, getattr(self, name), "1 or more")
        if self.lr_size < 8 or self.lr_size % 4:
            raise UsageError.of("lr_size", self.lr_size, "a multiple of 4, from 8")
        if not 0 < self.decay <= 1:
            raise UsageError.of("decay", self.decay, "above 0, up to 1")
        if not 0 <= self.ema < 1:
            raise UsageError.of("ema", self.ema, "from 0 to below 1")

    def described(self) -> dict[str, str | int | float | bool]:
        """Plain values for a model card or a checkpoint, without paths."""
        return {key: value for key, value in asdict(self).items() if not isinstance(value, Path)}
