"""Workers that have troubles, or wait for somebody who has."""

from __future__ import annotations

import resource
import time
from contextlib import suppress
from pathlib import Path

from ffmpeg_filter.farm_site import Site
from vsadcvsr.farm.answers import Answer


class FullDisk(Site):
    """Files of the worker that is there first can have 8 KiB."""

    def open(self, folder: str, key: str) -> Answer:
        with suppress(FileExistsError):
            (Path(folder).parent / "full").mkdir()
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        return super().open(folder, key)


class Gate(Site):
    """Makes one chunk, and others once there is no file `stop` beside the job any more."""

    made = 0

    def make(self, folder: str, number: int) -> Answer:
        while self.made and (Path(folder).parent / "stop").exists():
            time.sleep(0.01)
        self.made += 1
        return super().make(folder, number)
