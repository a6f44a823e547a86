"""How many workers there is room for, and what each takes. No Ray in it."""

from __future__ import annotations

import pytest

from vsadcvsr.errors import FarmError
from vsadcvsr.farm.cluster.connection import Node
from vsadcvsr.farm.cluster.workers import WorkerResources, worker_resources

BIG, SMALL = Node("a", "big", 64, 8), Node("b", "small", 2, 0)


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "device", "expected"),
    [
        ([BIG, SMALL], None, None, "auto", WorkerResources(1, 1)),
        ([BIG, SMALL], None, None, "cpu", WorkerResources(2, 0)),
        ([SMALL], None, None, "auto", WorkerResources(2, 0)),
        ([BIG], None, 0.0, "auto", WorkerResources(4, 0)),
        ([BIG], 8.0, 0.5, "cuda", WorkerResources(8, 0.5)),
        ([Node("c", "half", 0.5, 0)], None, None, "auto", WorkerResources(0.5, 0)),
    ],
)
def test_resources_of_a_worker_by_default(
    nodes: list[Node], cpus: float | None, gpus: float | None, device: str, expected: WorkerResources
) -> None:
    assert worker_resources(nodes, cpus, gpus, device) == expected


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (WorkerResources(1, 1), 8),
        (WorkerResources(1, 0.5), 16),
        (WorkerResources(4, 0), 16),
        (WorkerResources(2, 0), 33),
        (WorkerResources(16, 1), 4),
        (WorkerResources(1, 0.1), 64),
    ],
)
def test_how_many_there_is_room_for(wanted: WorkerResources, count: int) -> None:
    assert wanted.capacity([BIG, SMALL]) == count


def test_no_node_is_room_for_nobody() -> None:
    assert WorkerResources(1, 0).capacity([]) == 0


@pytest.mark.parametrize(("cpus", "gpus", "device"), [(None, 1.0, "auto"), (None, None, "cuda"), (3.0, 0.0, "auto")])
def test_what_no_node_has_is_told_with_what_there_is(cpus: float | None, gpus: float | None, device: str) -> None:
    with pytest.raises(FarmError, match=r"\(there are small: 2 cores, 0 GPUs\); see -farm_gpus and -farm_cpus"):
        worker_resources([SMALL], cpus, gpus, device)


@pytest.mark.parametrize(("cpus", "threads"), [(4.0, 4), (0.5, 1), (2.5, 2)])
def test_an_engine_has_as_many_threads_as_its_worker_has_cores(cpus: float, threads: int) -> None:
    assert WorkerResources(cpus, 0).threads == threads
