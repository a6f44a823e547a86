"""Pool of worker processes on a cluster: as many as there is capacity for, each with one task at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from vsadcvsr.errors import FarmError
from vsadcvsr.farm.cluster.connection import Cluster, Node
from vsadcvsr.farm.cluster.protocol import ChunkWorker, WorkerReply
from vsadcvsr.farm.retry_limits import MAX_START_FAILURES
from vsadcvsr.farm.store.ledger import worker_name

_log = logging.getLogger(__name__)

_DEFAULT_CPU_CORES = 4.0
"""Cores of a worker without a GPU by default: more of them gain less and less."""
_NODE_POLL_SECONDS = 2.0
_NO_CAPACITY_TIMEOUT = 60.0
"""Seconds between checks of the nodes, and without capacity for a worker until giving up."""


@dataclass(frozen=True)
class WorkerResources:
    """Resources of a worker: cores, and GPUs, of which several workers may share one."""

    cpus: float
    gpus: float

    def __str__(self) -> str:
        return f"{self.cpus:g} cores and {self.gpus:g} GPUs"

    @property
    def threads(self) -> int:
        """Threads of an engine on a CPU."""
        return max(1, int(self.cpus))

    def capacity(self, nodes: Sequence[Node]) -> int:
        """How many workers fit on these nodes."""
        return sum(self._capacity_of(node) for node in nodes)

    def _capacity_of(self, node: Node) -> int:
        limits = ((node.cpus, self.cpus), (node.gpus, self.gpus))
        return min((int(available / required + 1e-6) for available, required in limits if required), default=0)


def worker_resources(nodes: Sequence[Node], cpus: float | None, gpus: float | None, device: str) -> WorkerResources:
    """Resources as requested; by default a GPU if the cluster has any that the device may be, else up to four cores.

    Raises FarmError if no node has them, since Ray would wait forever.
    """
    if gpus is None:
        gpus = float(device not in {"auto", "cpu"} or (device == "auto" and any(node.gpus for node in nodes)))
    if cpus is None:
        cpus = 1.0 if gpus else min([_DEFAULT_CPU_CORES, *(node.cpus for node in nodes if node.cpus)])
    resources = WorkerResources(cpus, gpus)
    if not resources.capacity(nodes):
        raise FarmError(_no_capacity(resources, nodes))
    return resources


def _no_capacity(resources: WorkerResources, nodes: Sequence[Node]) -> str:
    listed = ", ".join(f"{node.name}: {node.cpus:g} cores, {node.gpus:g} GPUs" for node in nodes[:8])
    return f"no node has {resources} for a worker (there are {listed or 'no nodes'}); see -farm_gpus and -farm_cpus"


@dataclass(eq=False)
class WorkerHandle:
    """A worker process."""

    actor: Any  # Ray's handle
    reply: Any = None
    name: str = ""
    """Name in the ledger; empty until it is ready."""
    node: str = ""
    task: object = None
    """Its current task."""


class _WorkerActor:
    """The Ray actor around a chunk worker."""

    def __init__(self, factory: str, arguments: Sequence[object]) -> None:
        module, _, name = factory.partition(":")
        self._worker: ChunkWorker = getattr(import_module(module), name)(*arguments)

    def identify(self) -> tuple[str, str]:
        import ray

        return worker_name(), str(ray.get_runtime_context().get_node_id())

    def open(self, folder: str, key: str) -> WorkerReply:
        return self._worker.open(folder, key)

    def make(self, folder: str, number: int) -> WorkerReply:
        return self._worker.make(folder, number)


@dataclass
class WorkerPool:
    """The workers of a cluster."""

    cluster: Cluster
    factory: str
    """Makes a `ChunkWorker` from `arguments`, as "module:name"."""
    arguments: Sequence[object]
    resources: WorkerResources
    limit: int | None = None
    """Maximum number of workers."""
    workers: list[WorkerHandle] = field(default_factory=list)
    _actor_class: Any = None
    _polled_at: float = float("-inf")
    _capacity_seen_at: float = 0.0
    _start_failures: int = 0

    def scale_up(self, demand: int) -> None:
        """Starts as many workers as there is capacity and demand; nodes come and go. Raises FarmError if all are gone.
        """
        now = time.monotonic()
        if now - self._polled_at < _NODE_POLL_SECONDS:
            return
        nodes = self.cluster.nodes()
        capacity = self.resources.capacity(nodes)
        if capacity or self._polled_at < 0:
            self._capacity_seen_at = now
        self._polled_at = now
        if not capacity and now - self._capacity_seen_at > _NO_CAPACITY_TIMEOUT:
            raise FarmError(_no_capacity(self.resources, nodes))
        for _ in range(min(capacity, self.limit or capacity, demand) - len(self.workers)):
            self._spawn()

    def idle(self) -> list[WorkerHandle]:
        """Workers without a task."""
        return [worker for worker in self.workers if worker.name and worker.task is None]

    def submit(self, worker: WorkerHandle, method: str, *arguments: object, task: object) -> None:
        """Sends a task to an idle worker; `task` comes back with the reply."""
        worker.task = task
        worker.reply = getattr(worker.actor, method).remote(*arguments)

    def wait(self, seconds: float) -> list[tuple[WorkerHandle, object, WorkerReply | None]]:
        """Replies of workers with their tasks; None instead of a reply if the process has ended."""
        ray, pending = self.cluster.ray, {worker.reply: worker for worker in self.workers if worker.reply is not None}
        if not pending:
            time.sleep(seconds)
            return []
        ready, _ = ray.wait(list(pending), num_returns=1, timeout=seconds)
        others, _ = ray.wait(list(pending), num_returns=len(pending), timeout=0)
        received = [self._receive(pending[reply]) for reply in dict.fromkeys([*ready, *others])]
        return [result for result in received if result is not None]

    def node_is_alive(self, worker: WorkerHandle) -> bool:
        """Whether the node of a worker still exists."""
        return any(node.id == worker.node for node in self.cluster.nodes())

    def close(self) -> None:
        """Ends all workers at once."""
        for worker in self.workers:
            self.cluster.ray.kill(worker.actor)
        self.workers = []

    def _spawn(self) -> None:
        self._actor_class = self._actor_class or self.cluster.ray.remote(_WorkerActor).options(
            num_cpus=self.resources.cpus, num_gpus=self.resources.gpus, max_restarts=0, scheduling_strategy="SPREAD"
        )
        actor = self._actor_class.remote(self.factory, list(self.arguments))
        self.workers.append(WorkerHandle(actor, actor.identify.remote()))

    def _receive(self, worker: WorkerHandle) -> tuple[WorkerHandle, object, WorkerReply | None] | None:
        exceptions = self.cluster.ray.exceptions
        reply, task, worker.reply, worker.task = worker.reply, worker.task, None, None
        try:
            result = self.cluster.ray.get(reply)
        except exceptions.RayTaskError as error:  # a fault of ours: a `ChunkWorker` raises nothing
            return worker, task, WorkerReply.from_error(FarmError(f"{type(error.cause).__name__}: {error.cause}"))
        except exceptions.RayError as error:
            self.workers.remove(worker)
            if worker.name:
                return worker, task, None
            self._on_start_failed(error)
            return None
        if isinstance(result, WorkerReply):
            return worker, task, result
        worker.name, worker.node = result
        self._start_failures = 0
        return None

    def _on_start_failed(self, error: Exception) -> None:
        """Counts a process that ended before it was ready. Raises FarmError after too many in a row."""
        self._start_failures += 1
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        _log.debug("a worker cannot be started: %s", error)
        if self._start_failures >= MAX_START_FAILURES:
            raise FarmError(f"workers cannot be started on the cluster: {lines[-1] if lines else type(error).__name__}")
