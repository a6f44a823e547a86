"""Upscaling of one clip, sequentially or with random access, independent of the network and of the host application."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vsadcvsr import backends, blending, postprocess, scenes, tiling
from vsadcvsr import sharpen as sharpening
from vsadcvsr import steady as stabilization
from vsadcvsr.backends import Backend, receptive_field
from vsadcvsr.blending import Blend
from vsadcvsr.color import ColorFormat
from vsadcvsr.engine.cache import FrameCache, default_capacity
from vsadcvsr.engine.independent import IndependentFrames
from vsadcvsr.engine.runner import CheckedFrame, EngineOptions, FrameChecker, InputFrame, StreamRunner, planar_output
from vsadcvsr.engine.schedule import StreamPosition, warm_up_start
from vsadcvsr.errors import UsageError
from vsadcvsr.output import BaseAndDetail, OutputFrame, Planes, buffers, to_rgb
from vsadcvsr.spec import Array, ModelSpec
from vsadcvsr.weights import store, user_models

__all__ = ["EndOfClip", "Engine", "EngineOptions", "InputFrame", "load"]

type Fetch = Callable[[int], InputFrame]


def load(
    model: str | Path = "fast",
    *,
    scale: float | None = None,
    denoise: float = 0.0,
    backend: str = "auto",
    device: str = "auto",
    device_index: int = 0,
    precision: str = "auto",
    threads: int = 0,
    num_streams: int = 1,
    backend_options: str = "",
) -> Backend:
    """The model of that name or file, see `backends.load`. Of a model with networks of several scales, the one of the
    smallest scale that is not below `scale`, else of the largest. `denoise`, 0 to 1, blends its weights with its second
    set, trained on bad sources.

    Raises UsageError, WeightsError or BackendError.
    """
    suffixes, restores = backends.suffixes(backend), blending.checked(denoise) > 0
    blend = Blend(store.restoring(model, suffixes, scale=scale), denoise) if restores else None
    return backends.load(
        store.find(model, suffixes, scale=scale, restores=restores), blend=blend, backend=backend, device=device,
        device_index=device_index, precision=precision, threads=threads, num_streams=num_streams,
        backend_options=backend_options,
    )  # fmt: skip


class EndOfClip(Exception):  # noqa: N818 - control flow, as StopIteration is
    """Raise from `fetch(i)` when frame i is past the end, or no longer available from the host."""


class Engine:
    """Upscales one clip. All methods are thread-safe; `render` renders `streams` frames at a time.

    Output frame n is the network applied to the whole scene that contains frame n, as one clip: the same bits in any
    order.
    """

    def __init__(self, backend: Backend, options: EngineOptions | None = None) -> None:
        self._backend: Backend | None = backend
        self._options = options or EngineOptions()
        self.spec: ModelSpec = backend.spec
        self.label = backend.label
        self._lock = threading.Lock()
        self._runner: StreamRunner | None = None
        self._cache: FrameCache | None = None
        alone = isinstance(backend, backends.IndependentBackend) and not self._options.lookahead
        self._independent = IndependentFrames(backend, self._options) if alone else None

    @classmethod
    def open(  # noqa: PLR0913 - the arguments of core.adcvsr.Upscale, all by name
        cls,
        model: str | Path = "fast",
        *,
        scale: float | None = None,
        backend: str = "auto",
        device: str = "auto",
        device_index: int = 0,
        precision: str = "auto",
        threads: int = 0,
        num_streams: int = 1,
        backend_options: str = "",
        denoise: float = 0.0,
        tile: Sequence[int] | None = None,
        tile_pad: int | None = None,
        sc_threshold: float | None = None,
        steady: float = 0.0,
        sharpen: float = 0.0,
        strength: float = 1.0,
        color_fix: str | None = None,
        capacity: int | None = None,
    ) -> Engine:
        """An engine on the model of that name or file, which is loaded unless another engine has it already.

        `scale` picks one of a model's networks, see `load`; what the engine makes has the scale of that network.
        `denoise`, 0 to 1, blends the weights with the model's second set, trained on bad sources. `steady`, 0 to 1,
        averages outputs along motion, see `vsadcvsr.steady`. `sharpen`, 0 to 2, amplifies weak texture, see
        `vsadcvsr.sharpen`. `strength` is 0 to 1.
        `num_streams` is how many frames an image network computes at once, `backend_options` the options of the
        backend's library, `key=value&key=value`. `capacity` is the number of finished frames that `render` keeps; by
        default what fits into 256 MiB, 4 to 32, and `num_streams` of an image network.

        Raises UsageError, WeightsError or BackendError.
        """
        loaded = load(
            model, scale=scale, denoise=denoise, backend=backend, device=device, device_index=device_index,
            precision=precision, threads=threads, num_streams=num_streams, backend_options=backend_options,
        )  # fmt: skip
        if loaded.spec.reach_unknown and (tile is not None or loaded.spec.fixed_size):
            loaded.spec = user_models.measured(model, loaded.spec) or receptive_field.measure(loaded)
        options = EngineOptions(
            tiles=tiling.TileOptions.checked(loaded.spec, tile, tile_pad),
            threshold=scenes.DEFAULT_THRESHOLD if sc_threshold is None else sc_threshold,
            steady=stabilization.checked(steady),
            sharpen=sharpening.checked(sharpen),
            strength=strength,
            color_fix=loaded.spec.color_fix if color_fix is None else color_fix,
            capacity=capacity,
        )
        return cls(loaded, options)

    @property
    def scale(self) -> int:
        """Height and width of the output in those of the input."""
        return self.spec.scale

    @property
    def streams(self) -> int:
        """How many frames are computed at once: one, unless the network has no memory."""
        return self._independent.streams if self._independent else 1

    @property
    def lookahead(self) -> int:
        """Frames after n, and before it, that output n depends on."""
        return self.spec.lookahead + self._options.lookahead

    def stream(self, frames: Iterable[InputFrame | Array]) -> Iterator[Array]:
        """The output of each frame, in order: (3, sH, sW) of scale s, clamped to 0..1. Independent of `render` and of
        other streams.
        """
        for output in self.stream_output(frames):
            yield _clamped_rgb(output)

    def stream_output(self, frames: Iterable[InputFrame | Array]) -> Iterator[OutputFrame]:
        """As `stream`, for hosts that convert frames themselves: RGB, not clamped, base and detail if the network makes
        them, and planes if `planar_output` is true for the frame's colour format.
        """
        if self._independent:
            self._require_backend()
            yield from self._independent.stream(frames)
            return
        runner = self._new_runner(StreamPosition(self.lookahead, 0, 0))
        for frame in frames:
            if output := runner.feed(runner.checker.check(frame)):
                yield output[1]
        runner.position.end = runner.position.next_input
        for _ in range(self.lookahead if runner.position.end else 0):
            if output := runner.flush():
                yield output[1]

    @property
    def split_output(self) -> bool:
        """Whether `stream_output` and `output` return base and detail."""
        return self.spec.split_output and not self._options.needs_source

    def planar_output(self, height: int, width: int, color_format: ColorFormat) -> bool:
        """Whether the output for frames of this size and colour format comes as planes.

        Raises BackendError if there is not enough memory for frames of that size.
        """
        return planar_output(self._require_backend(), self._options, (height, width), color_format)

    def render(self, n: int, fetch: Fetch) -> Array:
        """Output n: (3, sH, sW) of scale s, clamped to 0..1, read-only.

        `fetch(i)` returns frame i; it is called on this thread, once per frame in linear use, from n - lookahead to n +
        lookahead after a seek. It raises EndOfClip past the last frame. If an earlier frame is unavailable (players
        drop old frames), rendering restarts after it, and the next `lookahead` frames lack that context. Raises
        UsageError for an n past the end, FormatError for a frame that cannot be used, BackendError if memory is short
        (with a tile size to try) or the network fails.
        """
        frame = _clamped_rgb(self.output(n, fetch))
        frame.flags.writeable = False
        return frame

    def output(self, n: int, fetch: Fetch) -> OutputFrame:
        """As `render`, for hosts that convert frames themselves, see `stream_output`."""
        if n < 0:
            raise UsageError.of("n", n, "0 or more")
        if self._independent:
            return self._render_independent(self._independent, n, fetch)
        with self._lock:
            frame = self._cache.get(n) if self._cache else None
            return self._render(n, fetch) if frame is None else frame

    def _render_independent(self, frames: IndependentFrames, n: int, fetch: Fetch) -> OutputFrame:
        with self._lock:
            self._require_backend()
            cached = self._cache.get(n) if self._cache else None
        if cached is not None:
            return cached
        try:
            source = fetch(n)
        except EndOfClip:
            raise _past_end(n) from None
        frame = frames.output(source)
        with self._lock:
            self._store(n, frame)
        return frame

    def needed_frames(self, n: int) -> range:
        """The frames that `output(n, …)` would fetch now, some of which may be past the end: for hosts that must
        request them before the call. They are those of `context_frames`, or those that the current pass (sequential
        run) has not fetched yet.
        """
        with self._lock:
            if self._cache and self._cache.get(n) is not None:
                return range(0)
            if self._runner and self._can_continue(self._runner, n):
                position, stop = self._runner.position, n + self.lookahead + 1
                return range(position.next_input + len(self._runner.pending), min(stop, position.end or stop))
        return self.context_frames(n)

    def context_frames(self, n: int) -> range:
        """The frames that output n can depend on: those needed for a restart there."""
        return range(warm_up_start(n, self.lookahead), n + self.lookahead + 1)

    def reset(self) -> None:
        """Makes the next output that is not cached restart from its `context_frames`."""
        with self._lock:
            self._runner = None

    def close(self) -> None:
        """Drops frames and state, and leaves the model to other engines."""
        with self._lock:
            self._backend = self._runner = self._cache = self._independent = None

    def _render(self, n: int, fetch: Fetch) -> OutputFrame:
        # It stays None if anything fails: a failed step leaves the recurrent state invalid.
        runner, self._runner = self._runner, None
        if runner is None or not self._can_continue(runner, n):
            runner = self._restart(n, fetch)
        frame = None
        while frame is None:
            output = self._advance(runner, fetch)
            if runner.position.end is not None and runner.position.end <= n:
                runner = self._restart(n, fetch)  # the host no longer has a frame between the last output and n
            elif output and output[0] >= runner.position.first_valid:
                self._store(*output)
                frame = output[1] if output[0] == n else None
        self._runner = runner
        return frame

    def _can_continue(self, runner: StreamRunner, n: int) -> bool:
        return runner.position.is_ahead(n, slack=self._cache.capacity - 1 if self._cache else 0)

    def _advance(self, runner: StreamRunner, fetch: Fetch) -> tuple[int, OutputFrame] | None:
        if runner.pending:
            return runner.feed(runner.pending.popleft())
        if not runner.position.flushing:
            try:
                return runner.feed(runner.checker.check(fetch(runner.position.next_input)))
            except EndOfClip:
                runner.position.end = runner.position.next_input
        return runner.flush()

    def _restart(self, n: int, fetch: Fetch) -> StreamRunner:
        """A new pass with the frames queued that output n depends on; those before n's scene are left out."""
        checker, pending = FrameChecker(self._options.threshold), list[CheckedFrame]()
        for i in range(warm_up_start(n, self.lookahead), n + 1):
            try:
                frame = checker.check(fetch(i))
            except EndOfClip:
                if i == n:
                    raise _past_end(n) from None
                checker, pending = FrameChecker(self._options.threshold), []
                continue
            pending = [frame] if frame.cut or i == 0 else [*pending, frame]
        start = n + 1 - len(pending)
        starts_scene = pending[0].cut or start == 0
        runner = self._new_runner(StreamPosition(self.lookahead, start, start if starts_scene else n), checker)
        runner.pending.extend(pending)
        return runner

    def _new_runner(self, position: StreamPosition, checker: FrameChecker | None = None) -> StreamRunner:
        return StreamRunner(
            self._require_backend(), self._options, position, checker or FrameChecker(self._options.threshold)
        )

    def _require_backend(self) -> Backend:
        if self._backend is None:
            raise UsageError("the engine is closed; open another one")
        return self._backend

    def _store(self, n: int, frame: OutputFrame) -> None:
        for buffer in buffers(frame):
            buffer.flags.writeable = False
        if self._cache is None:
            default = self.streams if self._independent else default_capacity(frame)
            self._cache = FrameCache(self._options.capacity or default)
        self._cache.put(n, frame)


def _past_end(n: int) -> UsageError:
    return UsageError(f"the clip has no frame {n}; it ends before that")


def _clamped_rgb(frame: OutputFrame) -> Array:
    """RGB, clamped; a copy if the frame is cached. Planes come only where a colour format was given, which `stream` and
    `render` do not take.
    """
    if isinstance(frame, Planes):
        raise UsageError(
            "frames with a color_format have no RGB output in `stream` and `render`; use `stream_output` or `output`"
        )
    rgb = to_rgb(frame) if isinstance(frame, BaseAndDetail) else frame
    target = rgb if rgb.flags.writeable else np.empty_like(rgb)
    postprocess.copy_clamped(rgb, list(target))
    return target
