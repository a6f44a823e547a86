"""Settings of a training run, as one frozen value and as TOML."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from vsadcvsr.errors import UsageError, near_misses
from vsadcvsr.spec import check_scale

DOMAINS = ("pixel", "feature")
_PATHS = {"pool", "out", "begin", "vae", "half_decoder", "convnext_weights"}

_MAX_SEED = (1 << 63) - 1  # of torch

_LEAST_CROP = 24  # for losses on a student's grid: a moved clip is smaller, and its border is not compared
_WEIGHTS = ("luma", "difference", "pyramid", "structure", "tone", "grid", "perceptual", "shift")


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """Settings that both stages share: duration, batches, learning rate, weights of the regression losses."""

    steps: int
    batch: int = 4
    """Clips per step."""
    accumulate: int = 1
    """Parts of a batch whose gradients are accumulated."""
    frames: int = 7
    """Frames per clip."""
    crop: int = 48
    """Side of the low-resolution crops, in pixels."""
    optimizer: str = "adam"
    """`adam` or `muon`, which takes the same learning rates."""
    learning_rate: float
    final_rate: float
    warmup: int = 200
    """Steps of linear warm-up, a fifth of all steps at most."""
    decay: float = 0.4
    """Share of the steps, at the end, with cosine decay."""
    luma: float = 0.5
    """Weight of the loss on luma; the loss on RGB has 1."""
    difference: float = 1.2
    """Weight of the loss on frame-to-frame differences."""
    pyramid: float = 0.0
    """Weight of the losses on means of 2x2, 4x4 and 8x8 areas."""
    structure: float = 0.0
    """Weight of the loss on local structure, 1 - SSIM: keeps fine texture that moves, which other losses let go."""
    tone: float = 0.0
    """Weight of the loss on means of overlapping 8x8 areas of luma."""
    grid: float = 0.0
    """Weight of the loss on patterns that repeat on the student's grids."""
    perceptual: float = 0.0
    """Weight of the distance in EfficientNet-Lite1's features; the loss on RGB has 1."""
    shift: float = 0.0
    """Weight of the distance of a clip's images from those of the clip moved by a few pixels."""

    def __post_init__(self) -> None:
        _check_least(self, 1, ("batch", "accumulate", "frames"))
        _check_least(self, 0, ("steps", "final_rate", "warmup", *_WEIGHTS))
        _check_finite(self)
        if self.batch % self.accumulate:
            raise UsageError.of("accumulate", self.accumulate, f"a divisor of the batch, {self.batch}")
        if self.optimizer not in {"adam", "muon"}:
            raise UsageError.of("optimizer", self.optimizer, "adam, muon")
        if self.crop < 8 or self.crop % 4:
            raise UsageError.of("crop", self.crop, "a multiple of 4, from 8")
        if (self.shift or self.grid) and self.crop < _LEAST_CROP:
            raise UsageError.of("crop", self.crop, f"{_LEAST_CROP} or more with shift or grid")
        if not 0 < self.decay <= 1:
            raise UsageError.of("decay", self.decay, "above 0, up to 1")
        if self.learning_rate <= 0:
            raise UsageError.of("learning_rate", self.learning_rate, "above 0")


@dataclass(frozen=True, kw_only=True)
class RegressionSettings(StageSettings):
    """Stage 1: regression to the teacher."""

    steps: int = 20_000
    learning_rate: float = 8e-4
    final_rate: float = 1e-6
    int8: bool = False
    """Round inputs and weights of a compact student's layers to the levels of int8, which then loses less."""
    cuts: float = 0.0
    """Share of clips whose frames are cut apart, as pictures are, and of the others that have one cut."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.cuts <= 1:
            raise UsageError.of("cuts", self.cuts, "0 to 1")


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings(StageSettings):
    """Stage 2: regression, and discriminators in one or two domains.

    The paper's student needs three pretrained parts: `vae`, `half_decoder` and `convnext_weights`.
    """

    steps: int = 4_000
    learning_rate: float = 5e-5
    final_rate: float = 1e-6
    domains: tuple[str, ...] = DOMAINS
    """Domains with a discriminator."""
    heads: str = "dual"
    """`dual` for separate heads for detail and consistency, or `single`."""
    pixel: float = 1.0
    """Weight of the pixel domain (lambda of the paper)."""
    feature: float = 1.0
    """Weight of the feature domain."""
    feature_loss: float = 0.05
    """Weight of feature regression, as a share of the regression's gradient. Compact features are sparse, so a large
    weight drives them to zero and blurs.
    """
    adversarial: float = 0.3
    """Weight of the adversarial losses: `pixel` x `adversarial` is the norm of the gradient of the pixel loss as a
    share of the regression's.
    """
    trunk: str = "small"
    """Trunk of the discriminator of a compact student's pixels: `small`, two layers, or `efficientnet`, frozen."""
    width: int = 64
    """Channels of a discriminator's tail."""
    detail_share: float = 0.75
    """Share of these channels for the detail head."""
    clips: int = 1
    """Clips of each kind that discriminators see per step."""
    discriminator_rate: float = 5e-4
    """Learning rate of the discriminators."""
    noise: float = 0.016
    """Standard deviation of the instance noise on images."""
    comb: bool = False
    """Hide from discriminators what repeats on the grid of the student's head."""
    encoder_steps: int = 500
    """Steps of pretraining of the encoder of feature targets."""
    vae: Path | None = None
    """Folder of Stable Diffusion 2.1's VAE in diffusers layout."""
    half_decoder: Path | None = None
    """AdcSR's halfDecoder.ckpt."""
    convnext_weights: Path | None = None
    """OpenCLIP's convnext_xxlarge as a .safetensors file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads not in {"dual", "single"}:
            raise UsageError.of("heads", self.heads, "dual, single")
        if self.trunk not in {"small", "efficientnet"}:
            raise UsageError.of("trunk", self.trunk, "small, efficientnet")
        if unknown := set(self.domains) - set(DOMAINS):
            raise UsageError.of("domains", sorted(unknown)[0], ", ".join(DOMAINS))
        if not 0 < self.detail_share < 1:
            raise UsageError.of("detail_share", self.detail_share, "above 0, below 1")
        _check_least(self, 1, ("clips", "width"))
        _check_least(
            self, 0,
            ("pixel", "feature", "feature_loss", "adversarial", "discriminator_rate", "noise", "encoder_steps"),
        )  # fmt: skip
        if self.heads == "dual" and not 0 < round(self.width * self.detail_share) < self.width:
            raise UsageError.of("width", self.width, f"a channel for each head, with detail_share {self.detail_share}")
        if self.domains and self.frames < 2:
            raise UsageError.of("frames", self.frames, "2 or more, since discriminators see their order")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything that decides the outcome of a run; equal values give equal weights on one kind of machine."""

    model: str = "fast"
    scale: int = 4
    """Scale of the student and of its pool."""
    pool: Path
    out: Path
    teacher: str = "truth"
    """`truth`, or the name of a teacher whose targets the pool holds. Frame-to-frame differences follow the truth."""
    teacher_share: float = 1.0
    """Share of the target that is the teacher's; the rest is the truth."""
    begin: Path | None = None
    """A weights file to start from; of another scale, it gives all but the head's detail."""
    temporal_only: bool = False
    """Train the temporal blocks only."""
    seed: int = 0
    ema: float = 0.999
    """Decay per step of the exponential moving average of the weights, which is published."""
    precision: str = "auto"
    """Precision of convolutions: bf16, fp32, or auto for the faster one."""
    minutes: float = 0.0
    """Time limit, into which the stages' steps are fitted in proportion, more or fewer than given; 0: none. Steps are
    counted by a trial before the first one: the results are those of a run of so many steps, which the model card and
    the checkpoint name. Should the time end before them, the run stops, and the same command goes on, with a new limit.
    """
    half_weights: bool = False
    """Publish the weights in 16 bits: files of half the size."""
    device: str = "auto"
    threads: int = 1
    """CPU threads; with one thread a process is pinned to a core, so that several processes use several cores."""
    save_every: int = 500
    sample_every: int = 500
    regression: RegressionSettings = field(default_factory=RegressionSettings)
    adversarial: AdversarialSettings | None = None

    def __post_init__(self) -> None:
        _check_least(self, 1, ("threads", "save_every", "sample_every"))
        _check_least(self, 0, ("minutes",))
        _check_finite(self)
        check_scale(self.scale)
        if not 0 <= self.seed <= _MAX_SEED:
            raise UsageError.of("seed", self.seed, f"0 to {_MAX_SEED}")
        if not 0 <= self.teacher_share <= 1:
            raise UsageError.of("teacher_share", self.teacher_share, "from 0 to 1")
        if not 0 <= self.ema < 1:
            raise UsageError.of("ema", self.ema, "from 0 to below 1")
        if self.precision not in {"auto", "bf16", "fp32"}:
            raise UsageError.of("precision", self.precision, "auto, bf16, fp32")
        if self.device not in {"auto", "cpu", "cuda"}:
            raise UsageError.of("device", self.device, "auto, cpu, cuda")

    @property
    def stages(self) -> list[StageSettings]:
        """The settings of the stages, in order."""
        return [stage for stage in (self.regression, self.adversarial) if stage is not None]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The settings of a TOML file, with a table for each stage. Raises UsageError as `of` does."""
        return cls.of(cls.table(path))

    @staticmethod
    def table(path: Path) -> dict[str, Any]:
        """The contents of a TOML file, with paths relative to its folder. Raises UsageError."""
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UsageError(f"{path} does not exist; give a TOML file of settings") from error
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read as TOML ({error}); give a file of settings") from error
        adversarial = settings.get("adversarial")
        for table in (settings, adversarial if isinstance(adversarial, dict) else {}):
            for name in _PATHS & table.keys():
                if isinstance(table[name], str) and (name != "begin" or (path.parent / table[name]).is_file()):
                    table[name] = path.parent / table[name]  # what is no file to begin with may be a model's name
        return settings

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """The settings of a table of plain values, with a nested table for each stage.

        Raises UsageError for an unknown name, a missing one, or a value of the wrong type.
        """
        return _build(cls, table, "")

    def as_metadata(self) -> dict[str, str | int | float | bool]:
        """Plain values for a model card or a checkpoint, without paths; those of a stage as `regression.steps`."""
        flat: dict[str, str | int | float | bool] = {}
        for key, value in asdict(self).items():
            if isinstance(value, dict):
                flat |= {f"{key}.{name}": _scalar(part) for name, part in value.items() if name not in _PATHS}
            elif value is not None and not isinstance(value, Path):
                flat[key] = value
        return flat


def _check_least(settings: object, least: int, names: tuple[str, ...]) -> None:
    """Raises UsageError for a number below the least."""
    for name in names:
        if getattr(settings, name) < least:
            raise UsageError.of(name, getattr(settings, name), f"{least} or more")


def _check_finite(settings: object) -> None:
    """Raises UsageError for NaN, which is below no bound, and infinity: TOML has both."""
    for name, value in vars(settings).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError.of(name, value, "a finite number")


def _scalar(value: object) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else ", ".join(map(str, value))  # type: ignore[call-overload]


def _build[T](settings_class: type[T], table: Mapping[str, Any], prefix: str) -> T:
    allowed = {item.name: item for item in fields(settings_class)}  # type: ignore[arg-type]  # every kind here is a dataclass
    hints = get_type_hints(settings_class)
    for name in table:
        if name not in allowed:
            of_stages = [stage for stage in allowed if name in _STAGE_SETTINGS.get(stage, ())]
            hint = f"it belongs to {' or '.join(of_stages)}: {of_stages[0]}.{name}" if of_stages else ""
            raise UsageError.of("setting", prefix + name, ", ".join(allowed), hint or near_misses(name, allowed))
    required = (name for name, item in allowed.items() if item.default is MISSING and item.default_factory is MISSING)
    if missing := next((name for name in required if name not in table), None):
        raise UsageError(f"the setting {prefix}{missing} is missing; add it")
    return settings_class(**{name: _value(hints[name], value, prefix + name) for name, value in table.items()})


_STAGE_SETTINGS = {
    "regression": {item.name for item in fields(RegressionSettings)},
    "adversarial": {item.name for item in fields(AdversarialSettings)},
}


def _value(hint: object, value: object, name: str) -> object:
    types: tuple[Any, ...] = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for type_ in types:
        if is_dataclass(type_) and isinstance(type_, type):
            if isinstance(value, type_):
                return value
            if isinstance(value, Mapping):
                return _build(type_, value, f"{name}.")
        elif get_origin(type_) is tuple and isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        elif type_ is Path and isinstance(value, str | Path):
            return Path(value)
        elif type_ is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        elif isinstance(type_, type) and type(value) is type_:
            return value
    expected = (_TYPES.get(type_, "a table of settings") for type_ in types if type_ is not type(None))
    raise UsageError.of(name, value, " or ".join(expected))


_TYPES: dict[object, str] = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path",
    tuple[str, ...]: "a list of names in brackets and quotes",
}  # fmt: skip
"""The types of settings in the words of TOML."""
