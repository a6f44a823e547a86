"""A small job, and a Ray cluster of two nodes on this machine, started once and bound to 127.0.0.1."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.farm.jobs import planned
from tests.ffmpeg_filter.files import ROOT
from tests.requirements import requires
from vsadcvsr.farm.store.job import Job

SURROUNDINGS = {
    "GRPC_ENABLE_FORK_SUPPORT": "0",  # with it, grpcio 1.85 now and then ends Ray's door for clients as it forks
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),  # that of the workers
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "ab" * 32,
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
}
NODE: dict[str, Any] = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 << 20}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return planned(tmp_path / "job")


@pytest.fixture(scope="package")
def cluster() -> Iterator[Any]:
    """Two nodes with a core each; `add_node(**NODE)` adds another. Its address is 127.0.0.1:port."""
    requires("ray")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray leaves the ends of its pipes open
        for name, value in SURROUNDINGS.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        head = {**NODE, "include_dashboard": False, "ray_client_server_port": free_port()}
        result = Cluster(initialize_head=True, head_node_args=head)
        result.add_node(**NODE)
        try:
            yield result
        finally:
            result.shutdown()


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def here(cluster: Any) -> str:
    """The address of the cluster."""
    return str(cluster.address)
