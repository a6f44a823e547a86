"""A Ray cluster of two nodes on this machine, started once and bound to 127.0.0.1."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.ffmpeg_filter.media import ROOT

SURROUNDINGS = {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),  # that of the workers
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "ab" * 32,
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
}
_NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 << 20}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two nodes with a core each; `add_node(**NODE)` adds another. Its address is 127.0.0.1:port."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install vsadcvsr[farm]")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray leaves the ends of its pipes open
        for name, value in SURROUNDINGS.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={**_NODE, "include_dashboard": False})
        made.add_node(**_NODE)
        try:
            yield made
        finally:
            made.shutdown()


@pytest.fixture
def here(cluster: Any) -> str:
    """The address of the cluster."""
    return str(cluster.address)
