"""The second FFmpeg of a transcode, and the pipe to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Full, Queue

import av

from ffmpeg_filter.command import loglevel
from ffmpeg_filter.media.process import Child, ProgramError, killed, pipe
from ffmpeg_filter.transcode.companion import Packets
from ffmpeg_filter.transcode.frame_writer import StreamInfo, Writer
from vsadcvsr.errors import MediaError

_PATIENCE = 0.1
"""Seconds between two looks at whether anybody still takes frames."""
_INTERRUPTED = 255
"""FFmpeg's exit status after a signal."""
_LINGER = 0.5
"""Seconds in which an encoder that has all frames may take what belongs beside them from other inputs."""
_SIGNALS = 3
_PATIENCE_OF_SIGNAL = 5.0
"""Seconds for an encoder to finish its files after each of so many interrupts."""


class Encoder:
    """Started with the first frame, which is given again to `take`. Frames are written on a thread of their own, one
    behind what is taken.
    """

    def __init__(
        self, argv: Sequence[str], first: av.VideoFrame, info: StreamInfo, say: Callable[[str], None],
        *, inputs: Sequence[int] = (), packets: Packets | None = None,
    ) -> None:  # fmt: skip
        readable, writable = pipe()
        self._child = Child(
            "encoder", loglevel.levelled(argv), heard=lambda _: False, say=say, stdin=readable, stdout=None,
            limit=loglevel.of(argv), pass_fds=inputs,
        )  # fmt: skip
        os.close(readable)
        self._is_alone = list(argv).count("-i") == 1
        self._may_lose_branches = any("onfail=ignore" in word for word in argv)
        self._frames: Queue[av.VideoFrame | None] = Queue(1)
        self._failure: Exception | None = None
        self._count = 0
        self._feeding = threading.Thread(target=self._feed, args=(writable, first, info, packets), name="to encoder")
        self._feeding.start()
        self.satisfied = False
        """Whether it has ended by itself, and well, before the frames did (`-t`, `-frames`)."""

    def take(self, frame: av.VideoFrame) -> bool:
        """Whether the encoder still takes frames. Raises ProgramError if it ended badly."""
        self._child.speech.let_out()
        if self._put(frame):
            return True
        self._check()
        self.satisfied = True
        return False

    def finish(self) -> None:
        """Ends the film and waits for the encoder. Raises ProgramError if it ends badly."""
        self._put(None)
        self._feeding.join()
        self._check()
        self._child.speech.let_out(0)

    def stop(self) -> None:
        """Ends the film where it stands, though other inputs go on. Raises ProgramError if the encoder ends badly."""
        self._put(None)
        self._feeding.join()
        if self._is_alone or self._child.poll(_LINGER) is not None:
            self._check()
            return
        if not self._interrupted():
            return
        if self._child.wait() not in {0, _INTERRUPTED} or self._child.speech.unwritten:
            self._check()

    def _interrupted(self) -> bool:
        """Whether the encoder finished its files at the first interrupt. FFmpeg 7.0 may hear only the second, and then
        leaves the trailer out; what hears none is killed.
        """
        for number in range(_SIGNALS):
            self._child.interrupt()
            if self._child.poll(_PATIENCE_OF_SIGNAL) is not None:
                return number == 0
        self._child.kill()
        return False

    def kill(self) -> None:
        """Ends it at once, if it has not ended; what it was writing is not finished."""
        self._child.kill()  # before its pipe is closed, which would be the end of the film to it
        self._put(None)
        self._feeding.join()

    def _put(self, frame: av.VideoFrame | None) -> bool:
        while self._feeding.is_alive():
            with suppress(Full):
                self._frames.put(frame, timeout=_PATIENCE)
                return True
        return False

    def _feed(self, writable: int, first: av.VideoFrame, info: StreamInfo, packets: Packets | None) -> None:
        try:
            writer = Writer(writable, first, info, packets)
            while (frame := self._frames.get()) is not None:
                writer.write(frame)
                self._count += 1
        except BrokenPipeError:
            pass  # it has ended, and its status says why
        except Exception as error:  # noqa: BLE001 - it crosses over
            self._failure = error
        finally:
            os.close(writable)

    def _check(self) -> None:
        if self._failure is not None:
            self._child.end()
            raise MediaError(f"frame {self._count} cannot be written to the encoder: {self._failure}")
        status = self._child.wait()
        if status < 0:
            raise MediaError(f"{killed('encoder', status)}; {self._count} frames were passed on to it")
        if status:
            raise ProgramError(f"the encoder failed: {self._child.speech.reason()}", status)
        unwritten = self._child.speech.unwritten
        if unwritten and not (self._may_lose_branches and unwritten.startswith("[tee]")):
            raise MediaError(f"the encoder failed: {unwritten}")
