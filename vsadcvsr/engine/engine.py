"""The engine: frames in, pictures out, for one clip, in one go or in any order. It knows no network and no host."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from vsadcvsr import backends, blending, postprocess, scenes, tiling
from vsadcvsr.backends import Backend
from vsadcvsr.blending import Blend
from vsadcvsr.color import Encoding
from vsadcvsr.engine.cache import Ring, usual_capacity
from vsadcvsr.engine.runner import Entrance, Forward, Given, Manner, Source, finishes
from vsadcvsr.engine.schedule import Course, warm_up_from
from vsadcvsr.errors import UsageError
from vsadcvsr.output import Finished, Parts, Planes, memory, whole
from vsadcvsr.spec import SCALE, Array, ModelSpec
from vsadcvsr.weights import store

__all__ = ["EndOfClip", "Engine", "Manner", "Source", "load"]

type Fetch = Callable[[int], Source]


def load(
    model: str | Path = "fast",
    *,
    denoise: float = 0.0,
    backend: str = "auto",
    device: str = "auto",
    device_index: int = 0,
    precision: str = "auto",
    threads: int = 0,
) -> Backend:
    """The model of that name or file, see `backends.load`; `denoise` is the share of its restoring weights.

    Raises UsageError, WeightsError or BackendError.
    """
    blend = Blend(store.restoring(model), denoise) if blending.checked(denoise) else None
    return backends.load(
        store.find(model, backends.suffixes(backend)), blend=blend, backend=backend, device=device,
        device_index=device_index, precision=precision, threads=threads,
    )  # fmt: skip


class EndOfClip(Exception):  # noqa: N818 - an answer rather than an error
    """Raised by `fetch(i)` for a frame that is not there: past the last one, or before n and lost to the host."""


class Engine:
    """One clip's way through a network. All methods may be called from any thread; `render` does one picture at a time.

    Picture n is the network applied to the whole scene that contains frame n, as one clip: the same bits in any order.
    """

    scale = SCALE

    def __init__(self, backend: Backend, manner: Manner | None = None) -> None:
        self._backend: Backend | None = backend
        self._manner = manner or Manner()
        self.spec: ModelSpec = backend.spec
        self.label = backend.label
        self._lock = threading.Lock()
        self._run: Forward | None = None
        self._ring: Ring | None = None

    @classmethod
    def open(  # noqa: PLR0913 - the arguments of core.adcvsr.Upscale, all by name
        cls,
        model: str | Path = "fast",
        *,
        backend: str = "auto",
        device: str = "auto",
        device_index: int = 0,
        precision: str = "auto",
        threads: int = 0,
        denoise: float = 0.0,
        tile: Sequence[int] | None = None,
        tile_pad: int | None = None,
        sc_threshold: float | None = None,
        strength: float = 1.0,
        color_fix: str | None = None,
        capacity: int | None = None,
    ) -> Engine:
        """An engine on the model of that name or file, which is loaded unless another engine has it already.

        `denoise`, 0 to 1, is the share of its restoring weights, for models that have such. `strength` is 0 to 1.
        `capacity` is the number of finished pictures that `render` keeps; by default what fits into 256 MiB, 4 to 32.
        Raises UsageError, WeightsError or BackendError.
        """
        loaded = load(
            model, denoise=denoise, backend=backend, device=device, device_index=device_index, precision=precision,
            threads=threads,
        )  # fmt: skip
        manner = Manner(
            tiles=tiling.Tiling.checked(loaded.spec, tile, tile_pad),
            threshold=scenes.DEFAULT_THRESHOLD if sc_threshold is None else sc_threshold,
            strength=strength,
            color_fix=loaded.spec.color_fix if color_fix is None else color_fix,
            capacity=capacity,
        )
        return cls(loaded, manner)

    @property
    def lookahead(self) -> int:
        """How many frames after n, and before it, picture n depends on."""
        return self.spec.lookahead

    def stream(self, sources: Iterable[Source | Array]) -> Iterator[Array]:
        """The picture of each frame, in order: (3, 4H, 4W), clamped to 0..1. Apart from `render` and other streams."""
        for picture in self.pictures(sources):
            yield _joined(picture)

    def pictures(self, sources: Iterable[Source | Array]) -> Iterator[Finished]:
        """As `stream`, for hosts that convert pictures themselves: in parts, where the network makes them so, and in
        planes, where `finishes` says so of the frame's encoding.
        """
        run = self._forward(Course(self.lookahead, 0, 0))
        for given in sources:
            source = given if isinstance(given, Source) else Source(given)
            if made := run.feed(run.entrance.admit(source)):
                yield made[1]
        run.course.end = run.course.position
        for _ in range(self.lookahead if run.course.end else 0):
            if made := run.flush():
                yield made[1]

    @property
    def parts(self) -> bool:
        """Whether `pictures` and `picture` give pictures in parts."""
        return self.spec.parts and not self._manner.needs_source

    def finishes(self, height: int, width: int, encoding: Encoding) -> bool:
        """Whether the pictures of frames of such a size, with that encoding, come as planes.

        Raises BackendError where no memory suffices for frames of that size.
        """
        return finishes(self._open_backend(), self._manner, (height, width), encoding)

    def render(self, n: int, fetch: Fetch) -> Array:
        """Picture n: (3, 4H, 4W), clamped to 0..1, read-only.

        `fetch(i)` gives frame i; it is called on this thread, once for each frame in linear use, from n - lookahead to
        n + lookahead after a seek. It raises EndOfClip past the last frame. Where it does so for a frame before n
        (players keep few), the run begins cold behind that frame: the pictures up to `lookahead` after it are made
        without what is lost. Raises UsageError for an n past the end, FormatError for a frame that cannot be taken,
        BackendError where there is no memory (with the tile to try) or the network fails.
        """
        picture = _joined(self.picture(n, fetch))
        picture.flags.writeable = False
        return picture

    def picture(self, n: int, fetch: Fetch) -> Finished:
        """As `render`, for hosts that convert pictures themselves, see `pictures`."""
        if n < 0:
            raise UsageError.of("n", n, "0 or more")
        with self._lock:
            picture = self._ring.get(n) if self._ring else None
            return self._make(n, fetch) if picture is None else picture

    def needed(self, n: int) -> range:
        """The numbers of the frames that `picture(n, …)` would fetch now, some of which may be past the end: for hosts
        that must have them all before they call it. As many as `surroundings`, or those that the run has yet to take.
        """
        with self._lock:
            if self._ring and self._ring.get(n) is not None:
                return range(0)
            if self._run and self._leads(self._run, n):
                course, stop = self._run.course, n + self.lookahead + 1
                return range(course.position + len(self._run.waiting), min(stop, course.end or stop))
        return self.surroundings(n)

    def surroundings(self, n: int) -> range:
        """The numbers of the frames that picture n can depend on: what it takes to begin anew there."""
        return range(warm_up_from(n, self.lookahead), n + self.lookahead + 1)

    def rewind(self) -> None:
        """Makes the next picture that is not kept begin anew, from its `surroundings`."""
        with self._lock:
            self._run = None

    def close(self) -> None:
        """Forgets pictures and state, and leaves the model to other engines."""
        with self._lock:
            self._backend = self._run = self._ring = None

    def _make(self, n: int, fetch: Fetch) -> Finished:
        run, self._run = self._run, None  # stays None if anything fails, for a step that failed has used the state up
        if run is None or not self._leads(run, n):
            run = self._begin(n, fetch)
        wanted = None
        while wanted is None:
            made = self._advance(run, fetch)
            if run.course.end is not None and run.course.end <= n:
                run = self._begin(n, fetch)  # a frame between the last picture and this one is gone
            elif made and made[0] >= run.course.good_from:
                self._keep(*made)
                wanted = made[1] if made[0] == n else None
        self._run = run
        return wanted

    def _leads(self, run: Forward, n: int) -> bool:
        return run.course.leads_to(n, slack=self._ring.capacity - 1 if self._ring else 0)

    def _advance(self, run: Forward, fetch: Fetch) -> tuple[int, Finished] | None:
        if run.waiting:
            return run.feed(run.waiting.popleft())
        if not run.course.flushing:
            try:
                return run.feed(run.entrance.admit(fetch(run.course.position)))
            except EndOfClip:
                run.course.end = run.course.position
        return run.flush()

    def _begin(self, n: int, fetch: Fetch) -> Forward:
        """A run that has picture n's scene waiting, as far as n depends on it."""
        entrance, waiting = Entrance(self._manner.threshold), list[Given]()
        for i in range(warm_up_from(n, self.lookahead), n + 1):
            try:
                given = entrance.admit(fetch(i))
            except EndOfClip:
                if i == n:
                    raise UsageError.of("n", n, "the numbers of the clip's frames") from None
                entrance, waiting = Entrance(self._manner.threshold), []
                continue
            waiting = [given] if given.cut or i == 0 else [*waiting, given]
        begin = n + 1 - len(waiting)
        opening = waiting[0].cut or begin == 0
        run = self._forward(Course(self.lookahead, begin, begin if opening else n), entrance)
        run.waiting.extend(waiting)
        return run

    def _forward(self, course: Course, entrance: Entrance | None = None) -> Forward:
        return Forward(self._open_backend(), self._manner, course, entrance or Entrance(self._manner.threshold))

    def _open_backend(self) -> Backend:
        if self._backend is None:
            raise UsageError("the engine is closed; open another one")
        return self._backend

    def _keep(self, n: int, picture: Finished) -> None:
        for part in memory(picture):
            part.flags.writeable = False
        if self._ring is None:
            self._ring = Ring(self._manner.capacity or usual_capacity(picture))
        self._ring.put(n, picture)


def _joined(picture: Finished) -> Array:
    """The whole picture, clamped. Planes cannot be: who wants numbers gives no encoding."""
    if isinstance(picture, Planes):
        raise UsageError.of("encoding", "one", "none, for `stream` and `render`", "take `pictures` or `picture`")
    if isinstance(picture, Parts):
        picture = whole(picture)
        postprocess.settle(picture)
    return picture
