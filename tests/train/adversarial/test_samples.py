"""The five kinds of sample."""

from __future__ import annotations

import numpy as np
import pytest

from tests.train.tiny import fill_pool
from vsadcvsr.train.adversarial.samples import KINDS, REFERENCE_KINDS, SampleKind
from vsadcvsr.train.data.dataset import Batch, Dataset


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(fill_pool(tmp_path_factory.mktemp("pool")))


def made(pool: Dataset, name: str, clips: int = 2, frames: int = 4) -> Batch:
    kind = next(kind for kind in REFERENCE_KINDS if kind.name == name)
    assert kind.draw is not None
    batch = kind.draw(pool, np.random.default_rng(4), clips, frames, 8)
    assert isinstance(batch, Batch)
    return batch


def steps(batch: Batch) -> list[float]:
    return [float(np.abs(np.diff(clip, axis=0)).mean()) for clip in batch.truth]


def test_labels_are_the_papers() -> None:
    assert {kind.name: (kind.detail, kind.consistency) for kind in KINDS} == {
        "student": (-1, -1), "video": (0, 1), "shuffled": (0, -1), "static": (1, 1), "unrelated": (1, -1),
    }  # fmt: skip


def test_a_single_head_has_no_opinion_where_the_two_disagree() -> None:
    assert [kind.both for kind in KINDS] == [-1, 1, -1, 1, 0]


@pytest.mark.parametrize("kind", REFERENCE_KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_one_shape(pool: Dataset, kind: SampleKind) -> None:
    drawn = made(pool, kind.name)
    assert drawn.truth.shape == drawn.target.shape == (2, 4, 3, 32, 32)
    assert drawn.low.shape == (2, 4, 3, 8, 8)
    small = drawn.truth[..., ::4, ::4]
    turned = [small, small[..., ::-1], small[..., ::-1, :], small[..., ::-1, ::-1]]
    assert drawn.low.std() == pytest.approx(turned[0].std(), rel=0.2)


def test_a_shuffled_clip_has_the_frames_of_a_clip_in_another_order(pool: Dataset) -> None:
    video, shuffled = made(pool, "video"), made(pool, "shuffled")
    for first, second in zip(shuffled.truth, shuffled.low, strict=True):
        assert len({frame.tobytes() for frame in first}) == len({frame.tobytes() for frame in second}) == 4
    assert steps(video) != steps(shuffled)
    orders = [made(pool, "shuffled", clips=1, frames=count) for count in (2, 3, 4)]
    assert [len(order.truth[0]) for order in orders] == [2, 3, 4]


def test_a_static_clip_stands_still(pool: Dataset) -> None:
    assert steps(made(pool, "static")) == [0.0, 0.0]


def test_unrelated_stills_differ_from_frame_to_frame(pool: Dataset) -> None:
    unrelated = made(pool, "unrelated")
    assert min(steps(unrelated)) > 0
    assert not np.array_equal(unrelated.truth[0, 0], unrelated.truth[0, 1])
