"""The Slurm script, with stand-ins for Slurm's programs that note how they were called."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.farm.jobs import planned
from tests.farm.programs import BIN, EXAMPLES, Programs
from vsadcvsr.farm.monitor.status import status_of

SCRIPT = EXAMPLES / "slurm.sh"
IN_ARRAY = {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "4"}


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """A cluster on which a job of four chunks is planned, and whose arrays have five tasks at most."""
    fakes = Programs(tmp_path)
    status = status_of(planned(tmp_path / "planned")).as_json()
    (tmp_path / "status.json").write_text(json.dumps(status, indent=1))
    fakes.stand_in("ffadcvsr", 'case "$2" in status) cat status.json ;; work | merge) exit "${STATUS:-0}" ;; esac')
    fakes.stand_in("srun", 'while [[ $1 == --* ]]; do shift; done; exec "$@"')
    fakes.stand_in("sbatch", 'echo "$(( $(grep -c ^sbatch calls.txt) + 40 ));cluster"')
    fakes.stand_in("scontrol", '[[ $1 == show ]] && echo "MaxArraySize            = ${MOST:-5}"; true')
    fakes.stand_in("scancel")
    return fakes


def submitted(programs: Programs, **environment: str) -> list[str]:
    """The calls of sbatch."""
    command = ["--chunk-seconds", "9", "--", "-i", "a b.mp4", "-vf", "adcvsr", "out.mkv"]
    done = programs.run(SCRIPT, "submit", "my job", *command, **environment)
    assert done.returncode == 0, done.stderr
    assert "ffadcvsr farm plan my job --chunk-seconds 9 -- -i a b.mp4 -vf adcvsr out.mkv" in programs.calls
    return [call for call in programs.calls if call.startswith("sbatch")]


def worked(programs: Programs, status: int, *arguments: str, **environment: str) -> list[str]:
    """What a task calls whose program ends with that status, which is the task's own."""
    done = programs.run(SCRIPT, *(arguments or ("work", "job", "4")), STATUS=str(status), **{**IN_ARRAY, **environment})
    assert done.returncode == status, done.stderr
    return [call for call in programs.calls if not call.startswith("srun")]


def test_the_script_has_no_faults_that_shellcheck_knows() -> None:
    for script in sorted(EXAMPLES.glob("*.sh")):
        subprocess.run([BIN / "shellcheck", script], check=True)


def test_a_task_for_each_chunk_and_a_merge_behind_all_of_them(programs: Programs) -> None:
    array, merge = submitted(programs)
    assert "--array=0-3 --gres=gpu:1" in array
    assert array.endswith(f"{SCRIPT} work my job 4")
    assert "--dependency=afterok:41 --kill-on-invalid-dep=yes" in merge
    assert merge.endswith(f"{SCRIPT} merge my job")


def test_as_many_tasks_as_workers_are_wanted(programs: Programs) -> None:
    array, _ = submitted(programs, WORKERS="2", AT_ONCE="1", GRES="")
    assert "--array=0-1%1 --gres=none" in array


def test_a_task_makes_the_chunk_of_its_number(programs: Programs) -> None:
    assert worked(programs, 0) == ["ffadcvsr farm work job --chunk 1"]


def test_a_task_of_a_short_array_makes_several_chunks(programs: Programs) -> None:
    array, _ = submitted(programs, MOST="3")
    assert "--array=0-2" in array
    done = worked(programs, 0, SLURM_ARRAY_TASK_ID="0", SLURM_ARRAY_TASK_COUNT="3")
    assert done[-2:] == ["ffadcvsr farm work job --chunk 0", "ffadcvsr farm work job --chunk 3"]


def test_a_worker_renders_unclaimed_chunks(programs: Programs) -> None:
    assert worked(programs, 0, WORKERS="2") == ["ffadcvsr farm work job"]


def test_what_may_be_cured_goes_into_the_queue_again(programs: Programs) -> None:
    assert worked(programs, 75)[-1] == "scontrol requeue 7_1"


def test_after_five_restarts_it_is_left_as_failed(programs: Programs) -> None:
    assert worked(programs, 75, SLURM_RESTART_COUNT="5") == ["ffadcvsr farm work job --chunk 1"]


@pytest.mark.parametrize("status", [64, 65])
def test_what_cannot_be_cured_ends_the_array(programs: Programs, status: int) -> None:
    assert worked(programs, status)[-1] == "scancel --state=PENDING 7"


def test_other_ends_are_left_to_slurm(programs: Programs) -> None:
    assert worked(programs, 137) == ["ffadcvsr farm work job --chunk 1"]


def test_a_merge_that_may_be_cured_is_queued_again_by_its_own_number(programs: Programs) -> None:
    alone = {"SLURM_ARRAY_JOB_ID": "", "SLURM_ARRAY_TASK_ID": ""}
    assert worked(programs, 75, "merge", "job", **alone) == ["ffadcvsr farm merge job", "scontrol requeue 9"]


@pytest.mark.parametrize("arguments", [[], ["submit", "job"], ["list"]])
def test_what_is_no_command_is_answered_with_how_to_use_it(programs: Programs, arguments: list[str]) -> None:
    done = programs.run(SCRIPT, *arguments)
    assert done.returncode == 64
    assert "slurm.sh submit JOB" in done.stderr
    assert programs.calls == []
