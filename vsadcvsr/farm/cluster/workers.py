"""Worker processes on a cluster: hired as far as there is room, each asked one thing at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from vsadcvsr.errors import FarmError
from vsadcvsr.farm.cluster.connection import Cluster, Node
from vsadcvsr.farm.cluster.protocol import Answer, Site
from vsadcvsr.farm.store.ledger import worker_name

_log = logging.getLogger(__name__)

_CORES = 4.0
"""What a worker without a GPU takes by itself: the engine gains less and less from more."""
_STILLBORN = 3
"""Processes in a row that may end before they are ready for anything."""
_LOOK = 2.0
_PATIENCE = 60.0
"""Seconds between two looks at the nodes, and without any that has room for a worker until we give up."""


@dataclass(frozen=True)
class Need:
    """What a worker occupies: cores, and GPUs, of which several may share one."""

    cpus: float
    gpus: float

    def __str__(self) -> str:
        return f"{self.cpus:g} cores and {self.gpus:g} GPUs"

    @property
    def threads(self) -> int:
        """For an engine on a CPU."""
        return max(1, int(self.cpus))

    def room(self, nodes: Sequence[Node]) -> int:
        """How many workers there may be on these nodes."""
        return sum(self._on(node) for node in nodes)

    def _on(self, node: Node) -> int:
        pairs = ((node.cpus, self.cpus), (node.gpus, self.gpus))
        return min((int(there / wanted + 1e-6) for there, wanted in pairs if wanted), default=0)


def need(nodes: Sequence[Node], cpus: float | None, gpus: float | None, device: str) -> Need:
    """What is asked for; by itself a GPU where the cluster has any that the device may be, else up to four cores.

    Raises FarmError where no node has that, for Ray would wait for ever.
    """
    if gpus is None:
        gpus = float(device not in {"auto", "cpu"} or (device == "auto" and any(node.gpus for node in nodes)))
    if cpus is None:
        cpus = 1.0 if gpus else min([_CORES, *(node.cpus for node in nodes if node.cpus)])
    wanted = Need(cpus, gpus)
    if not wanted.room(nodes):
        raise FarmError(_no_room(wanted, nodes))
    return wanted


def _no_room(wanted: Need, nodes: Sequence[Node]) -> str:
    there = ", ".join(f"{node.name}: {node.cpus:g} cores, {node.gpus:g} GPUs" for node in nodes[:8])
    return f"no node has {wanted} for a worker (there are {there or 'no nodes'}); see -farm_gpus and -farm_cpus"


@dataclass(eq=False)
class Post:
    """A worker process. `name` is that of the ledger, empty until it is ready; `work` is what it was asked for."""

    actor: Any  # Ray's handle
    reply: Any = None
    name: str = ""
    node: str = ""
    work: object = None


class _Actor:
    """What Ray runs: a site, and who it is."""

    def __init__(self, place: str, arguments: Sequence[object]) -> None:
        module, _, name = place.partition(":")
        self._site: Site = getattr(import_module(module), name)(*arguments)

    def hello(self) -> tuple[str, str]:
        import ray

        return worker_name(), str(ray.get_runtime_context().get_node_id())

    def open(self, folder: str, key: str) -> Answer:
        return self._site.open(folder, key)

    def make(self, folder: str, number: int) -> Answer:
        return self._site.make(folder, number)


@dataclass
class Crew:
    """The workers. `place` is what each makes of `arguments`, a `Site` as "module:name"; `limit` is the most."""

    cluster: Cluster
    place: str
    arguments: Sequence[object]
    need: Need
    limit: int | None = None
    posts: list[Post] = field(default_factory=list)
    _kind: Any = None
    _looked: float = float("-inf")
    _had_room: float = 0.0
    _stillborn: int = 0

    def fill(self, demand: int) -> None:
        """Hires as many as there is room and work for; nodes come and go. Raises FarmError when all are gone."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        nodes = self.cluster.nodes()
        room = self.need.room(nodes)
        if room or self._looked < 0:
            self._had_room = now
        self._looked = now
        if not room and now - self._had_room > _PATIENCE:
            raise FarmError(_no_room(self.need, nodes))
        for _ in range(min(room, self.limit or room, demand) - len(self.posts)):
            self._hire()

    def idle(self) -> list[Post]:
        """Those that wait for work."""
        return [post for post in self.posts if post.name and post.work is None]

    def ask(self, post: Post, verb: str, *words: object, work: object) -> None:
        """Sends an idle worker to work; `work` comes back with the answer."""
        post.work = work
        post.reply = getattr(post.actor, verb).remote(*words)

    def wait(self, seconds: float) -> list[tuple[Post, object, Answer | None]]:
        """Answers of workers, with what they were asked for; None if the process has ended instead."""
        ray, waiting = self.cluster.ray, {post.reply: post for post in self.posts if post.reply is not None}
        if not waiting:
            time.sleep(seconds)
            return []
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=seconds)
        more, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        heard = [self._heard(waiting[reply]) for reply in dict.fromkeys([*ready, *more])]
        return [one for one in heard if one is not None]

    def lives(self, post: Post) -> bool:
        """Whether the node of a worker is still there."""
        return any(node.key == post.node for node in self.cluster.nodes())

    def close(self) -> None:
        """Ends all of them at once."""
        for post in self.posts:
            self.cluster.ray.kill(post.actor)
        self.posts = []

    def _hire(self) -> None:
        self._kind = self._kind or self.cluster.ray.remote(_Actor).options(
            num_cpus=self.need.cpus, num_gpus=self.need.gpus, max_restarts=0, scheduling_strategy="SPREAD"
        )
        actor = self._kind.remote(self.place, list(self.arguments))
        self.posts.append(Post(actor, actor.hello.remote()))

    def _heard(self, post: Post) -> tuple[Post, object, Answer | None] | None:
        exceptions = self.cluster.ray.exceptions
        reply, work, post.reply, post.work = post.reply, post.work, None, None
        try:
            told = self.cluster.ray.get(reply)
        except exceptions.RayTaskError as error:  # a fault of ours: sites raise nothing
            return post, work, Answer.of(FarmError(f"{type(error.cause).__name__}: {error.cause}"))
        except exceptions.RayError as error:
            self.posts.remove(post)
            if post.name:
                return post, work, None
            self._mourn(error)
            return None
        if isinstance(told, Answer):
            return post, work, told
        post.name, post.node = told
        self._stillborn = 0
        return None

    def _mourn(self, error: Exception) -> None:
        """Takes note of a process that has ended before it was ready. Raises FarmError if that is all that they do."""
        self._stillborn += 1
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        _log.debug("a worker cannot be started: %s", error)
        if self._stillborn >= _STILLBORN:
            raise FarmError(f"workers cannot be started on the cluster: {lines[-1] if lines else type(error).__name__}")
