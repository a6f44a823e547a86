"""The bench's workers, on a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsadcvsr.bench.farm.on_ray import scaling
from vsadcvsr.errors import FarmError
from vsadcvsr.farm.cluster.connection import connect
from vsadcvsr.farm.store.job import Job


def test_two_workers_on_ray_share_a_job_and_one_that_fails_is_told_of(here: str, tmp_path: Path) -> None:
    with connect(here) as cluster:
        result = scaling(cluster, tmp_path / "job", workers=2, chunks=6, seconds=0.3)
        job = Job.read(tmp_path / "job")
        assert len(job.done()) == 6
        assert len({line.worker for line in job.done().values()}) == 2
        assert result.seconds >= 0.9
        assert result.efficiency == pytest.approx(0.9 / result.seconds, abs=1e-3)
        with pytest.raises(FarmError, match="sleep length"):
            scaling(cluster, tmp_path / "other", workers=1, chunks=1, seconds=-1)
