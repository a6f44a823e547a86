"""What is drawn, against the published ranges, odds and steps; each over some thousand draws."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsadcvsr.train.degradations.operators import Blur, FinalResize, Jpeg, Noise, Operator, Resize, Sharpen, Video
from vsadcvsr.train.degradations.presets import ADCSR, DOVE, DOVE_PICTURE, HEAVY, REALBASICVSR, REALESRGAN, SOFT, Span
from vsadcvsr.train.degradations.sampling import drift, sample_operators

type Steps = list[Operator]

COUNT, FRAMES, SMALL = 800, 3, (64, 48)
RECIPES = {
    "realbasicvsr": REALBASICVSR, "dove": DOVE, "dove picture": DOVE_PICTURE, "heavy": HEAVY, "soft": SOFT,
    "realesrgan": REALESRGAN, "adcsr": ADCSR,
}  # fmt: skip
HARD, MILD = ("realbasicvsr", "dove", "dove picture", "heavy", "realesrgan"), ("soft", "adcsr")
CLIPS = ("realbasicvsr", "dove", "heavy", "soft")
DRIFTING = ("realbasicvsr", "heavy", "soft")


@cache
def drawn(name: str) -> Sequence[Steps]:
    rng = np.random.default_rng(11)
    return [sample_operators(RECIPES[name], FRAMES, SMALL, rng) for _ in range(COUNT)]


def stages(name: str) -> list[tuple[Steps, Steps]]:
    """The steps of the first stage with what comes between, and the rest."""
    found_steps = []
    for steps in drawn(name):
        second = next(index for index, step in enumerate(steps) if isinstance(step, Jpeg)) + 1
        found_steps.append((steps[:second], steps[second:]))
    return found_steps


def only[T](kind: type[T], name: str, stage: int) -> list[T]:
    """The steps of a kind in the first stage (0) or the second (1); of blurs, not those of the last resize."""
    steps: list[T] = []
    for halves in stages(name):
        fit = [index for index, step in enumerate(halves[stage]) if isinstance(step, FinalResize)]
        skip = fit[0] + 1 if fit else None
        steps += [step for index, step in enumerate(halves[stage]) if isinstance(step, kind) and index != skip]
    return steps


def fills(values: Sequence[float], span: Span) -> None:
    """Asserts that uniform draws stay within the span and reach both of its ends."""
    room = 0.06 * (span[1] - span[0])
    assert span[0] <= min(values) < span[0] + room
    assert span[1] - room < max(values) <= span[1]
    assert np.mean(values) == pytest.approx(sum(span) / 2, abs=5 * (span[1] - span[0]) / math.sqrt(12 * len(values)))


def as_often(draws: Sequence[object], odds: Mapping[object, float]) -> None:
    """Asserts frequencies by chi squared, at about one false alarm in a million."""
    counts = Counter(draws)
    assert set(counts) <= set(odds)
    chi = sum((counts[key] - len(draws) * odd) ** 2 / (len(draws) * odd) for key, odd in odds.items())
    free = len(odds) - 1
    assert chi < free + 7 * math.sqrt(2 * free) + 12


def moves(numbers: Sequence[float], step: float) -> float:
    assert np.abs(np.diff(numbers)).max() <= step + 1e-9
    return float(np.abs(np.diff(numbers)).max())


ORDER = {
    "realbasicvsr": ("SBRNJVBRNJ", ("V", "FB")),
    "heavy": ("BRNJVBRNJ", ("V", "FB")),
    "soft": ("BRNJVBRNJ", ("V", "FB")),
    "dove": ("BRNJVBRNJ", ("V", "FB")),
    "dove picture": ("BRNJBRNJ", ("", "FB")),
    "realesrgan": ("BRNJBRN", ("J", "FB")),
    "adcsr": ("BRNJBRN", ("J", "FB")),
}
SECOND_BLUR = {name: 0.5 if name in MILD else 0.8 for name in RECIPES}


@pytest.mark.parametrize("name", RECIPES)
def test_steps_come_in_the_published_order_and_the_last_two_in_either(name: str) -> None:
    begin, (other, fit) = ORDER[name]
    letters = {Sharpen: "S", Blur: "B", Resize: "R", Noise: "N", Jpeg: "J", Video: "V", FinalResize: "F"}
    blur = SECOND_BLUR[name]
    odds: dict[object, float] = defaultdict(float)
    for start, chance in ((begin, blur), (without_second_blur(begin), 1 - blur)):
        for last, sinc in ((fit, 0.8), (fit[0], 0.2)):
            for end in (other + last, last + other):
                odds[start + end] += chance * sinc / 2
    as_often(["".join(letters[type(step)] for step in steps) for steps in drawn(name)], odds)


def without_second_blur(order: str) -> str:
    at = order.rindex("B")
    return order[:at] + order[at + 1 :]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("stage", [0, 1])
def test_blurs_have_the_published_kinds_sizes_and_ranges(name: str, stage: int) -> None:
    blurs = only(Blur, name, stage)
    assert len(blurs) == pytest.approx(COUNT * (SECOND_BLUR[name] if stage else 1), abs=80)
    kinds: dict[object, float] = {
        "iso": 0.405, "aniso": 0.225, "general_iso": 0.108, "general_aniso": 0.027, "plateau_iso": 0.108,
        "plateau_aniso": 0.027, "sinc": 0.1,
    }  # fmt: skip
    as_often([blur.kind for blur in blurs], kinds)
    as_often([blur.size for blur in blurs], dict.fromkeys((7, 9, 11, 13, 15, 17, 19, 21), 1 / 8))
    sigma = ((0.2, 1.5), (0.2, 1.0)) if name in MILD else ((0.2, 3.0), (0.2, 1.5))
    for axis in range(2):
        fills([blur.sigmas[axis][0] for blur in blurs], sigma[stage])
    fills([blur.angles[0] for blur in blurs], (-math.pi, math.pi))
    fills([blur.omegas[0] for blur in blurs if blur.size < 13], (math.pi / 3, math.pi))
    fills([blur.omegas[0] for blur in blurs if blur.size >= 13], (math.pi / 5, math.pi))


@pytest.mark.parametrize("name", RECIPES)
def test_betas_have_the_published_ranges(name: str) -> None:
    for plateau, span in ((False, (0.5, 2.0 if name in MILD else 4.0)), (True, (1.0, 1.5 if name in MILD else 2.0))):
        blurs = [blur for blur in only(Blur, name, 0) if blur.kind.startswith("plateau" if plateau else "general")]
        betas = [blur.betas[0] for blur in blurs]
        assert span[0] <= min(betas)
        assert max(betas) <= span[1]
        below = np.mean(np.asarray(betas) <= 1)
        halves = RECIPES[name].first.beta_halves
        assert below == pytest.approx(0.5 if halves else (1 - span[0]) / (span[1] - span[0]), abs=0.17)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("stage", [0, 1])
def test_resizes_have_the_published_odds_and_scales(name: str, stage: int) -> None:
    resizes = only(Resize, name, stage)
    lowest = ((0.3, 0.6) if name in MILD else (0.15, 0.3))[stage]
    highest, up, down = (1.2, 0.3, 0.4) if stage else (1.5, 0.2, 0.7)
    begin = [resize.scales[0] for resize in resizes]
    as_often([int(np.sign(scale - 1)) for scale in begin], {1: up, -1: down, 0: 1 - up - down})
    fills([scale for scale in begin if scale > 1], (1, highest))
    fills([scale for scale in begin if scale < 1], (lowest, 1))
    as_often([resize.flavour for resize in resizes], dict.fromkeys(("linear", "area", "cubic"), 1 / 3))
    of_target = stage == 1 and name in {"heavy", "soft", "realesrgan", "adcsr"}
    assert {resize.base for resize in resizes} == {SMALL if of_target else None}
    assert {resize.even for resize in resizes} == {name not in {"realesrgan", "adcsr"}}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("stage", [0, 1])
def test_noises_have_the_published_odds_and_strengths(name: str, stage: int) -> None:
    noises = only(Noise, name, stage)
    as_often(
        [(noise.kind, noise.gray) for noise in noises],
        {(kind, gray): 0.5 * odd for kind in ("gauss", "poisson") for gray, odd in ((True, 0.4), (False, 0.6))},
    )
    gauss, poisson = (
        (((1, 15), (1, 12)), ((0.05, 2), (0.05, 1))) if name in MILD else (((1, 30), (1, 25)), ((0.05, 3), (0.05, 2.5)))
    )
    fills([noise.strengths[0] for noise in noises if noise.kind == "gauss"], gauss[stage])
    fills([noise.strengths[0] for noise in noises if noise.kind == "poisson"], poisson[stage])
    assert len({noise.seed for noise in noises}) == COUNT


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("stage", [0, 1])
def test_qualities_of_jpeg_are_whole_and_published(name: str, stage: int) -> None:
    qualities = [jpeg.qualities for jpeg in only(Jpeg, name, stage)]
    assert all(isinstance(quality, int) for frames in qualities for quality in frames)
    fills([frames[0] for frames in qualities], ((60, 95), (60, 100))[stage] if name in MILD else (30, 95))


@pytest.mark.parametrize("name", CLIPS)
def test_video_is_coded_twice_with_any_of_the_codecs_and_budgets(name: str) -> None:
    videos = [step for steps in drawn(name) for step in steps if isinstance(step, Video)]
    assert len(videos) == 2 * COUNT
    as_often([video.codec for video in videos], dict.fromkeys(("libx264", "h264", "mpeg4"), 1 / 3))
    fills([video.bits for video in videos], (40_000, 200_000) if name == "soft" else (10_000, 100_000))
    assert all(isinstance(video.bits, int) for video in videos)


@pytest.mark.parametrize("name", RECIPES)
def test_the_last_sinc_filter_has_the_published_cutoffs(name: str) -> None:
    fits, last = [], []
    for steps in drawn(name):
        at = next(index for index, step in enumerate(steps) if isinstance(step, FinalResize))
        fits.append(steps[at])
        last += [step for step in steps[at + 1 : at + 2] if isinstance(step, Blur)]
    assert {blur.kind for blur in last} == {"sinc"}
    as_often([blur.size for blur in last], dict.fromkeys((7, 9, 11, 13, 15, 17, 19, 21), 1 / 8))
    fills([blur.omegas[0] for blur in last], (math.pi / 3, math.pi))
    as_often(
        [fit.flavour for fit in fits if isinstance(fit, FinalResize)], dict.fromkeys(("linear", "area", "cubic"), 1 / 3)
    )


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("stage", [0, 1])
def test_numbers_drift_by_the_published_steps_or_stand(name: str, stage: int) -> None:
    moving = name in DRIFTING
    limits = {"sigma": 0.02, "angle": math.pi / 10, "omega": math.pi / 50, "scale": (0.015, 0.03)[stage]}
    most: dict[str, float] = defaultdict(float)

    def note(what: str, numbers: Sequence[float], step: float) -> None:
        most[what] = max(most[what], moves(numbers, step if moving else 0) / step)

    for blur in only(Blur, name, stage):
        for sigmas in blur.sigmas:
            note("sigma", sigmas, limits["sigma"])
        note("angle", blur.angles, limits["angle"])
        note("omega", blur.omegas, limits["omega"])
        plateau = blur.kind.startswith("plateau")
        note(f"beta of {blur.kind[:7]}", blur.betas, 0.1 if plateau else 0.05)
    for resize in only(Resize, name, stage):
        note("scale", resize.scales, limits["scale"])
    for noise in only(Noise, name, stage):
        note(noise.kind, noise.strengths, 0.1 if noise.kind == "gauss" else 0.005)
    assert all(value > 0.9 if moving else value == 0 for value in most.values()), most
    for jpeg in only(Jpeg, name, stage):
        moves(jpeg.qualities, 3)
    assert max(moves(jpeg.qualities, 3) for jpeg in only(Jpeg, name, stage)) == 3


@given(
    st.integers(0, 2**32), st.floats(0, 5, allow_subnormal=False), st.integers(1, 30),
    st.floats(-3, 3, allow_subnormal=False), st.floats(0, 4, allow_subnormal=False),
)  # fmt: skip
def test_a_drift_keeps_within_its_span(seed: int, step: float, frames: int, low: float, width: float) -> None:
    values = drift(np.random.default_rng(seed), (low, low + width), step, frames)
    assert len(values) == frames
    assert low <= min(values)
    assert max(values) <= low + width
    assert all(abs(b - a) <= step + 1e-9 for a, b in pairwise(values))


def test_the_same_seed_draws_the_same_steps() -> None:
    first, again, other = (sample_operators(REALBASICVSR, 5, SMALL, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_shorter_clip_is_no_special_case() -> None:
    steps = sample_operators(REALBASICVSR, 1, SMALL, np.random.default_rng(0))
    assert {len(step.qualities) for step in steps if isinstance(step, Jpeg)} == {1}


def test_recipes_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        REALBASICVSR.sinc = 0.5  # type: ignore[misc]
    assert len({hash(recipe) for recipe in RECIPES.values()}) == len(RECIPES)


def test_the_second_jpeg_of_a_picture_has_a_quality_of_its_own() -> None:
    pairs = [[step.qualities[0] for step in steps if isinstance(step, Jpeg)] for steps in drawn("adcsr")]
    assert abs(np.corrcoef(np.transpose(pairs))[0, 1]) < 0.15
