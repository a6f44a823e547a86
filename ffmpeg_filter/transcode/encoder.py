"""The encoding FFmpeg process, and the pipe to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Full, Queue

import av

from ffmpeg_filter.command import loglevel
from ffmpeg_filter.media.process import INTERRUPTED, ChildProcess, ProgramError, killed, pipe
from ffmpeg_filter.transcode.companion import CompanionPackets
from ffmpeg_filter.transcode.frame_writer import FrameWriter, StreamInfo
from vsadcvsr.errors import MediaError

_POLL_SECONDS = 0.1
"""Seconds between two checks whether the encoder still reads."""
_EOF_SECONDS = 0.5
"""Seconds in which an encoder that has all frames may read its other inputs."""
_MAX_SIGNALS = 3
_SIGNAL_SECONDS = 5.0
"""Seconds for an encoder to finish its files after each interrupt."""


class Encoder:
    """Starts with the first frame, which must be passed to `write` as well. Frames are written on a separate thread,
    one behind.
    """

    def __init__(
        self, argv: Sequence[str], first: av.VideoFrame, stream_info: StreamInfo, on_message: Callable[[str], None],
        *, inputs: Sequence[int] = (), packets: CompanionPackets | None = None, reports: bool = True,
    ) -> None:  # fmt: skip
        readable, writable = pipe()
        self._process = ChildProcess(
            "encoder", loglevel.with_level_prefix(argv), on_line=_is_of_null_output, on_message=on_message,
            stdin=readable, stdout=None, max_level=loglevel.level_of(argv), pass_fds=inputs, reports=reports,
        )  # fmt: skip
        os.close(readable)
        self._has_one_input = list(argv).count("-i") == 1
        self._may_lose_branches = any("onfail=ignore" in arg for arg in argv)
        self._frames: Queue[av.VideoFrame | None] = Queue(1)
        self._failure: Exception | None = None
        self._count = 0
        self._writer = threading.Thread(
            target=self._write_frames, args=(writable, first, stream_info, packets), name="to encoder"
        )
        self._writer.start()
        self.ended_early = False
        """Whether it has ended successfully before the frames did (`-t`, `-frames`)."""

    def write(self, frame: av.VideoFrame) -> bool:
        """Whether the encoder still accepts frames. Raises ProgramError if it has failed."""
        self._process.log.flush()
        if self._put(frame):
            return True
        self._check()
        self.ended_early = True
        return False

    def finish(self) -> None:
        """Ends the video and waits. Raises ProgramError if the encoder fails."""
        self._put(None)
        self._writer.join()
        self._check()
        self._process.log.flush(0)

    def stop(self) -> None:
        """Ends the video even if other inputs continue. Raises ProgramError if the encoder fails."""
        self._put(None)
        self._writer.join()
        if self._has_one_input or self._process.poll(_EOF_SECONDS) is not None:
            self._check()
            return
        if not self._interrupt():
            return
        if self._process.wait() not in {0, INTERRUPTED} or self._process.log.write_error:
            self._check()

    def _interrupt(self) -> bool:
        """Whether the encoder finished its files after one interrupt. FFmpeg 7.0 may need two and then omits the
        trailer; after the last it is killed.
        """
        for number in range(_MAX_SIGNALS):
            self._process.interrupt()
            if self._process.poll(_SIGNAL_SECONDS) is not None:
                return number == 0
        self._process.kill()
        return False

    def kill(self) -> None:
        """Kills the encoder if it still runs; its output stays unfinished."""
        self._process.kill()  # before its pipe is closed, which it would take for the end of the video
        self._put(None)
        self._writer.join()

    def _put(self, frame: av.VideoFrame | None) -> bool:
        while self._writer.is_alive():
            with suppress(Full):
                self._frames.put(frame, timeout=_POLL_SECONDS)
                return True
        return False

    def _write_frames(
        self, writable: int, first: av.VideoFrame, stream_info: StreamInfo, packets: CompanionPackets | None
    ) -> None:
        try:
            writer = FrameWriter(writable, first, stream_info, packets)
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
            self._process.send_kill()
            raise MediaError(f"frame {self._count} cannot be written to the encoder: {self._failure}")
        status = self._process.wait()
        if status < 0:
            raise MediaError(f"{killed('encoder', status)}; {self._count} frames were passed on to it")
        if status:
            raise ProgramError(f"the encoder failed: {self._process.log.reason()}", status)
        write_error = self._process.log.write_error
        if write_error and not (self._may_lose_branches and write_error.startswith("[tee]")):
            raise MediaError(f"the encoder failed: {write_error}")


def _is_of_null_output(line: str) -> bool:
    """Whether a line is a timestamp warning of the null output that reads what the decode command reads."""
    return "[null @" in line and "non monotonically increasing dts" in line
