"""Workers that have troubles, wait for somebody who has, or tell where they are."""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from pathlib import Path

from ffmpeg_filter.farm.worker import ChunkWorker
from vsadcvsr.farm.cluster.protocol import WorkerReply


class FullDisk(ChunkWorker):
    """Files of the worker that is there first can have 8 KiB."""

    def open(self, folder: str, key: str) -> WorkerReply:
        with suppress(FileExistsError):
            (Path(folder).parent / "full").mkdir()
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        return super().open(folder, key)


class Gate(ChunkWorker):
    """Makes one chunk, and others once there is no file `stop` beside the job any more."""

    made = 0

    def make(self, folder: str, number: int) -> WorkerReply:
        while self.made and (Path(folder).parent / "stop").exists():
            time.sleep(0.01)
        self.made += 1
        return super().make(folder, number)


class Noting(ChunkWorker):
    """Writes which GPUs it may see into `gpus.PROCESS` beside the job."""

    def open(self, folder: str, key: str) -> WorkerReply:
        note = Path(folder).parent / f"gpus.{os.getpid()}"
        note.write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        return super().open(folder, key)
