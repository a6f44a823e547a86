"""What every backend promises."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.backends.conftest import KINDS
from tests.engine.reference import Clip, clip_of
from vsadcvsr import backends, calibration
from vsadcvsr.backends import Backend
from vsadcvsr.engine import Engine, EngineOptions
from vsadcvsr.errors import BackendError
from vsadcvsr.output import BaseAndDetail, arrays, to_rgb
from vsadcvsr.spec import Array
from vsadcvsr.tiling import TileOptions

SIZE = (8, 12)
STEPS = 9


def run(backend: Backend, frames: Array, cuts: set[int], *, count: int = 1) -> Array:
    """The pictures of a clip, `count` frames at a step, flushed."""
    ahead = backend.spec.lookahead
    rest = -(len(frames) + ahead) % count
    fed = np.concatenate([frames, np.zeros((ahead + rest, *frames.shape[1:]), np.float32)])
    links = np.array([float(0 < n < len(frames) and n not in cuts) for n in range(len(fed))], np.float32)
    state, pictures = backend.start(*frames.shape[2:]), list[Array]()
    for at in range(0, len(fed), count):
        output, state = backend.step(fed[at : at + count], links[at : at + count], state)
        pictures.append(to_rgb(output))
    return np.concatenate(pictures)[ahead : ahead + len(frames)]


def test_pictures_are_four_times_as_large_and_float32(backend: Backend) -> None:
    frames = clip_of(1, size=SIZE)
    output, _ = backend.step(frames, np.zeros(1, np.float32), backend.start(*SIZE))
    assert isinstance(output, BaseAndDetail) == backend.spec.split_output
    assert to_rgb(output).shape == (1, 3, 32, 48)
    assert all(part.dtype == np.float32 and part.flags.writeable for part in arrays(output))


def test_the_label_says_what_runs_where(backend: Backend) -> None:
    assert len(backend.label.split("/")) == 3


def test_a_scene_is_a_clip_of_its_own_to_the_bit(backend: Backend) -> None:
    frames = clip_of(STEPS, {4}, SIZE)
    whole = run(backend, frames, {4})
    apart = np.concatenate([run(backend, frames[:4], set()), run(backend, frames[4:], set())])
    np.testing.assert_array_equal(whole, apart)


def test_frames_a_lookahead_away_do_not_matter(backend: Backend) -> None:
    ahead = backend.spec.lookahead
    frames, others = clip_of(STEPS, size=SIZE), clip_of(STEPS, size=SIZE, seed=9)
    middle = STEPS // 2
    others[middle - ahead : middle + ahead + 1] = frames[middle - ahead : middle + ahead + 1]
    np.testing.assert_array_equal(run(backend, frames, set())[middle], run(backend, others, set())[middle])


def test_the_length_of_a_step_hardly_matters(backend: Backend) -> None:
    frames = clip_of(STEPS, {2, 3}, SIZE)
    tolerance = 0.02 if backend.label.endswith(("bf16", "int8")) else 1e-5
    np.testing.assert_allclose(run(backend, frames, {2, 3}, count=3), run(backend, frames, {2, 3}), atol=tolerance)


def test_no_later_step_changes_a_picture(backend: Backend) -> None:
    frames, links = clip_of(STEPS, size=SIZE), np.ones(1, np.float32)
    state, copies = backend.start(*SIZE), list[tuple[Array, Array]]()
    for frame in frames:
        output, state = backend.step(frame[None], links, state)
        copies += [(part, part.copy()) for part in arrays(output)]
    for pictures, copy in copies:
        np.testing.assert_array_equal(pictures, copy)


def test_frames_are_left_as_they_are(backend: Backend) -> None:
    frames = clip_of(STEPS, size=SIZE)
    before = frames.copy()
    run(backend, frames, set())
    np.testing.assert_array_equal(frames, before)


def test_streams_do_not_mix(backend: Backend) -> None:
    first, second = clip_of(STEPS, size=SIZE), clip_of(STEPS, size=(4, 8), seed=2)
    alone = run(backend, first, set())
    links = [np.full(1, float(n > 0), np.float32) for n in range(STEPS)]
    states, pictures = [backend.start(*SIZE), backend.start(4, 8)], []
    for n in range(STEPS):
        output, states[0] = backend.step(first[n][None], links[n], states[0])
        _, states[1] = backend.step(second[n][None], links[n], states[1])
        pictures.append(to_rgb(output))
    ahead = backend.spec.lookahead
    np.testing.assert_array_equal(np.concatenate(pictures)[ahead:], alone[: STEPS - ahead])


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_the_engine_gives_the_same_bits_in_any_order(backend: Backend, tile: tuple[int, int] | None) -> None:
    clip = Clip(clip_of(STEPS, {5}, (37, 41)), {5})
    options = EngineOptions(tiles=TileOptions.checked(backend.spec, tile, 8), capacity=2)
    linear = list(Engine(backend, options).stream(clip.sources()))
    engine = Engine(backend, options)
    for n in (8, 2, 3, 5, 4, 0, 7, 1, 6):
        np.testing.assert_array_equal(engine.render(n, clip.fetch), linear[n])


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_model_refuses_work_and_is_loaded_again(kind: str, files: dict[str, Path], tmp_path: Path) -> None:
    name, file, precision = KINDS[kind]
    path = Path(file) if file not in files else Path(shutil.copy(files[file], tmp_path))
    if precision == "int8":
        shutil.copy(calibration.ranges_path(files[file]), tmp_path)
    backend = backends.load(path, backend=name, device="cpu", precision=precision)
    frames, links = clip_of(1, size=SIZE), np.zeros(1, np.float32)
    _, state = backend.step(frames, links, backend.start(*SIZE))
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match="closed; load it again"):
        backend.start(*SIZE)
    with pytest.raises(BackendError, match="closed; load it again"):
        backend.step(frames, links, state)
    again = backends.load(path, backend=name, device="cpu", precision=precision)
    assert again is not backend
    again.step(frames, links, again.start(*SIZE))
