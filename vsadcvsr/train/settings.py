"""One frozen value that is a whole training run, and its text in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from vsadcvsr.errors import UsageError, near_misses

DOMAINS = ("pixel", "feature")
_PATHS = {"pool", "out", "begin", "vae", "half_decoder", "tower"}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What both stages have: how long, on what, how fast, and the weights of the regression losses.

    A step sees `batch` clips of `frames` low-resolution frames of `crop` x `crop` pixels, in `accumulate` parts. The
    learning rate rises for `warmup` steps, a fifth of all at most, stays, and falls along a cosine over the last
    `decay` share of the `steps`. Beside a weight of 1 on RGB, `luma` weighs the loss on luma, `difference` that on
    frame-to-frame differences, `pyramid` those on means of 2x2, 4x4 and 8x8 areas, `structure` that on local structure
    (1 - SSIM) and `tone` that on means of 8x8 areas of luma that overlap.
    """

    steps: int
    batch: int = 4
    accumulate: int = 1
    frames: int = 7
    crop: int = 48
    learning_rate: float
    final_rate: float
    warmup: int = 200
    decay: float = 0.4
    luma: float = 0.5
    difference: float = 1.2
    pyramid: float = 0.0
    structure: float = 0.0
    tone: float = 0.0

    def __post_init__(self) -> None:
        for name in ("batch", "accumulate", "frames"):
            if getattr(self, name) < 1:
                raise UsageError.of(name, getattr(self, name), "1 or more")
        if self.steps < 0:
            raise UsageError.of("steps", self.steps, "0 or more")
        if self.batch % self.accumulate:
            raise UsageError.of("accumulate", self.accumulate, f"a divisor of the batch, {self.batch}")
        if self.crop < 8 or self.crop % 4:
            raise UsageError.of("crop", self.crop, "a multiple of 4, from 8")
        if not 0 < self.decay <= 1:
            raise UsageError.of("decay", self.decay, "above 0, up to 1")
        if self.learning_rate <= 0:
            raise UsageError.of("learning_rate", self.learning_rate, "above 0")


@dataclass(frozen=True, kw_only=True)
class Regression(Stage):
    """Stage 1: the student learns to give what the teacher gives.

    `perceptual` weighs the distance of the middle frames in the features of EfficientNet-Lite1 (extra `peers`).
    """

    steps: int = 20_000
    learning_rate: float = 8e-4
    final_rate: float = 1e-6
    perceptual: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Adversarial(Stage):
    """Stage 2: discriminators in the `domains` judge as well, with `heads` of their own for detail and consistency.

    `pixel`, `feature` and `adversarial` are the paper's lambdas, the weight of each domain and of the judgement in it,
    but as shares: `pixel` x `adversarial` is how large the gradient of the judgement of pictures is beside that of the
    regression. `likeness` is the share of the regression of features: the compact family's are sparse, and the nearest
    to all that could be meant is none, which is a blur. The tails have `width` channels; the `detail_share` of them is
    the detail head's. Discriminators see `clips` clips of each kind in a step, pictures under `noise`, and
    learn at `judge_rate`. Before the first step the encoder of feature targets learns for `encoder_steps`.

    The paper's student needs three things that others have trained: `vae`, the folder of Stable Diffusion 2.1's VAE in
    diffusers layout; `half_decoder`, AdcSR's halfDecoder.ckpt; and `tower`, OpenCLIP's convnext_xxlarge as a
    .safetensors file.
    """

    steps: int = 4_000
    learning_rate: float = 5e-5
    final_rate: float = 1e-6
    domains: tuple[str, ...] = DOMAINS
    heads: str = "dual"
    pixel: float = 1.0
    feature: float = 1.0
    likeness: float = 0.05
    adversarial: float = 0.3
    width: int = 64
    detail_share: float = 0.75
    clips: int = 1
    judge_rate: float = 5e-4
    noise: float = 0.016
    encoder_steps: int = 500
    vae: Path | None = None
    half_decoder: Path | None = None
    tower: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads not in {"dual", "single"}:
            raise UsageError.of("heads", self.heads, "dual, single")
        if unknown := set(self.domains) - set(DOMAINS):
            raise UsageError.of("domains", sorted(unknown)[0], ", ".join(DOMAINS))
        if not 0 < self.detail_share < 1:
            raise UsageError.of("detail_share", self.detail_share, "above 0, below 1")
        if self.clips < 1:
            raise UsageError.of("clips", self.clips, "1 or more")
        if self.domains and self.frames < 2:
            raise UsageError.of("frames", self.frames, "2 or more, since order is judged")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything that decides the outcome of a run; two equal values give equal weights on one kind of machine.

    `begin` is a weights file to start from; `temporal_only` then leaves all but the temporal blocks as they are.
    `teacher` is `truth` or the name of one whose answers the pool holds. `ema` is how much of the running mean, which
    is what ships, stays in a step. `precision` is that of the convolutions: bf16, fp32, or auto, which is the
    faster. On a CPU a process with one of `threads` is pinned to a core: several processes use several cores.
    """

    model: str = "fast"
    pool: Path
    out: Path
    teacher: str = "truth"
    begin: Path | None = None
    temporal_only: bool = False
    seed: int = 0
    ema: float = 0.999
    precision: str = "auto"
    device: str = "auto"
    threads: int = 1
    save_every: int = 500
    sample_every: int = 500
    regression: Regression = field(default_factory=Regression)
    adversarial: Adversarial | None = None

    def __post_init__(self) -> None:
        for name in ("threads", "save_every", "sample_every"):
            if getattr(self, name) < 1:
                raise UsageError.of(name, getattr(self, name), "1 or more")
        if not 0 <= self.ema < 1:
            raise UsageError.of("ema", self.ema, "from 0 to below 1")
        if self.precision not in {"auto", "bf16", "fp32"}:
            raise UsageError.of("precision", self.precision, "auto, bf16, fp32")
        if self.device not in {"auto", "cpu", "cuda"}:
            raise UsageError.of("device", self.device, "auto, cpu, cuda")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The settings of a TOML file, with a table for each stage. Raises UsageError as `of` does."""
        return cls.of(cls.table(path))

    @staticmethod
    def table(path: Path) -> dict[str, Any]:
        """What a TOML file says, as it stands, but that paths start at the file's own folder. Raises UsageError."""
        try:
            held = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read as TOML ({error}); give a file of settings") from error
        judges = held.get("adversarial")
        for table in (held, judges if isinstance(judges, dict) else {}):
            for name in _PATHS & table.keys():
                if isinstance(table[name], str) and (name != "begin" or (path.parent / table[name]).is_file()):
                    table[name] = path.parent / table[name]  # what is no file to begin with may be a model's name
        return held

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """The settings of a table of plain values, with a table within it for each stage.

        Raises UsageError for a name that is not known, one that is missing, or a value of the wrong kind.
        """
        return _made(cls, table, "")

    def described(self) -> dict[str, str | int | float | bool]:
        """Plain values for a model card or a checkpoint, without paths; a stage's as `regression.steps`."""
        flat: dict[str, str | int | float | bool] = {}
        for key, value in asdict(self).items():
            if isinstance(value, dict):
                flat |= {f"{key}.{name}": _plain(part) for name, part in value.items() if name not in _PATHS}
            elif value is not None and not isinstance(value, Path):
                flat[key] = value
        return flat


def _plain(value: object) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else ", ".join(map(str, value))  # type: ignore[call-overload]


def _made[T](kind: type[T], held: Mapping[str, Any], within: str) -> T:
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]  # every kind here is a dataclass
    hints = get_type_hints(kind)
    for name in held:
        if name not in known:
            raise UsageError.of("setting", within + name, ", ".join(known), near_misses(name, known))
    needed = (name for name, item in known.items() if item.default is MISSING and item.default_factory is MISSING)
    if absent := next((name for name in needed if name not in held), None):
        raise UsageError(f"the setting {within}{absent} is missing; add it")
    return kind(**{name: _value(hints[name], value, within + name) for name, value in held.items()})


def _value(hint: object, value: object, name: str) -> object:
    kinds: tuple[Any, ...] = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for kind in kinds:
        if is_dataclass(kind) and isinstance(kind, type):
            if isinstance(value, kind):
                return value
            if isinstance(value, Mapping):
                return _made(kind, value, f"{name}.")
        elif get_origin(kind) is tuple and isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        elif kind is Path and isinstance(value, str | Path):
            return Path(value)
        elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        elif isinstance(kind, type) and type(value) is kind:
            return value
    wanted = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise UsageError.of(name, value, f"a value of the kind {wanted}")
