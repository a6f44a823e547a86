"""The calibration of the cut detector: its pairs and its sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsadcvsr.errors import MediaError
from vsadcvsr.evaluate.cuts.__main__ import check_material, split_half, table, totals
from vsadcvsr.evaluate.cuts.pairs import CONTINUOUS, CUTS, SIZE, Material, Shot, compressed, fit, view
from vsadcvsr.spec import Array
from vsadcvsr.video_io import scene_name


def smooth(seed: int, height: int = 200, width: int = 340) -> Array:
    coarse = np.random.default_rng(seed).random((3, height // 20, width // 20), dtype=np.float32)
    return coarse.repeat(20, axis=1).repeat(20, axis=2)


@pytest.fixture
def material() -> Material:
    shots = tuple(Shot(f"scene {seed // 2}", tuple(fit(smooth(seed)) for _ in range(8))) for seed in range(4))
    return Material(shots, tuple((f"photo {seed}", smooth(seed + 9)) for seed in range(3)))


@pytest.mark.parametrize("name", [name for name in (*CUTS, *CONTINUOUS) if "few bits" not in name])
def test_every_kind_gives_pairs_of_frames_in_range(name: str, material: Material) -> None:
    kind = (CUTS | CONTINUOUS)[name]
    pairs = list(kind(material, np.random.default_rng(0)))
    assert pairs
    for frame in pairs[0] + pairs[-1]:
        assert frame.shape == (3, SIZE[1], SIZE[0])
        assert frame.dtype == np.float32
        assert 0 <= frame.min() <= frame.max() <= 1


def test_compression_keeps_the_number_of_frames(material: Material) -> None:
    frames = list(material.shots[0].frames[:3])
    assert len(compressed(frames, crf=40)) == 3


def test_crops_and_parts_of_one_scene_have_one_name() -> None:
    names = ["dog_a.mp4", "dog_c.mp4", "lake_d.webp", "lake_d2.webp", "lake.webp", "wiki_008.webp"]
    assert [scene_name(Path(name).stem) for name in names] == ["dog", "dog", "lake", "lake", "lake", "wiki_008"]


def test_halves_share_no_scene(material: Material) -> None:
    first, second = split_half(material, 0), split_half(material, 1)
    assert not {shot.scene for shot in first.shots} & {shot.scene for shot in second.shots}
    assert len(first.shots) + len(second.shots) == len(material.shots)


def test_totals_count_every_kind_alike() -> None:
    scores = {name: np.array([0.5]) for name in CUTS} | {name: np.array([0.1]) for name in CONTINUOUS}
    assert totals(scores, 0.3) == (0, 0)
    assert totals(scores, 0.05) == (0, 100)
    assert totals(scores, 0.6) == (100, 0)
    assert "hard cut" in table(scores, 0.3)


def test_a_kind_without_pairs_is_listed_and_does_not_count() -> None:
    """Jump cuts, where no two clips are of one scene."""
    scores = {name: np.array([0.5]) for name in CUTS} | {name: np.array([0.1]) for name in CONTINUOUS}
    scores |= {"jump cut": np.array([]), "hard cut": np.array([])}
    assert totals(scores, 0.3) == (0, 0)
    assert totals(scores, 0.6) == (100, 0)
    assert [line.split() for line in table(scores, 0.3).splitlines() if line.startswith(("jump", "hard"))] == [
        ["hard", "cut", "0"], ["jump", "cut", "0"],
    ]  # fmt: skip


def test_material_of_too_few_scenes_or_frames_is_refused(material: Material) -> None:
    frames = material.shots[0].frames
    four = tuple(Shot(scene, frames) for scene in ("cat", "dog", "hill", "sea"))
    check_material(Material(four, material.photos))
    with pytest.raises(MediaError, match=r"^the clips show 2 scenes \(scene 0, scene 1\), allowed: 4 or more"):
        check_material(material)
    with pytest.raises(MediaError, match=r"^a clip of sea has 5 frames, allowed: 6 or more; take it out$"):
        check_material(Material((*four, Shot("sea", frames[:5])), material.photos))


def test_a_view_of_the_middle_shows_the_middle() -> None:
    photo = np.zeros((3, 400, 640), dtype=np.float32)
    photo[:, 150:250, 240:400] = 1
    seen = view(photo, (0.5, 0.5), 2.0)
    assert seen[0, 90, 160] == pytest.approx(1)
    assert seen[0, 5, 5] == pytest.approx(0)
