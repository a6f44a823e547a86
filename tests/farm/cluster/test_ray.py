"""The very command of one machine with `-farm`: the same film, by the workers of two nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ffmpeg_filter.farm import run
from tests.farm.conftest import NODE
from tests.ffmpeg_filter.farms import TEMPORAL, farmed, hashes, pictures, source
from tests.ffmpeg_filter.files import copied, ffadcvsr, ffmpeg, times
from vsadcvsr.farm.store.job import Job

pytestmark = pytest.mark.usefixtures("in_tmp_path")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source(tmp_path_factory.mktemp("clip") / "clip.mp4", "-c:v libx264 -g 20 -bf 3 -b_strategy 0 -c:a aac")


def test_the_video_is_that_of_one_machine_and_nothing_else_is_left(here: str, clip: Path) -> None:
    command: list[str | Path] = ["-i", clip, f"-vf {TEMPORAL} -c:v ffv1 -c:a copy"]
    assert ffadcvsr(*command, "one.mkv") == 0
    assert ffadcvsr("-farm", here, "-farm_chunk 0.2", *command, "many.mkv") == 0
    assert hashes(Path("many.mkv")) == hashes(Path("one.mkv"))
    assert copied(Path("many.mkv")) == copied(Path("one.mkv"))
    assert sorted(path.name for path in Path().iterdir()) == ["many.mkv", "one.mkv"]


def test_through_the_door_for_clients_cuts_odd_times_and_ten_bits_come_through(cluster: Any) -> None:
    cuts = r"testsrc2=s=64x48:r=25:d=1.2,noise=alls=9:allf=t,negate=enable='mod(floor(n/5)\,2)'"
    late = r"-vf setpts='PTS+mod(N\,7)*0.004/TB',format=yuv420p10le -fps_mode passthrough -c:v ffv1 -c:a flac"
    command = [f"-i {source(Path('odd.mkv'), late, pictures=cuts)} -vf {TEMPORAL} -c:v ffv1 -c:a copy"]
    assert ffadcvsr(*command, "one.mkv") == 0
    address = f"ray://127.0.0.1:{cluster.head_node._ray_params.ray_client_server_port}"
    assert ffadcvsr("-farm", address, "-farm_chunk 0.4", *command, "many.mkv") == 0
    assert hashes(Path("many.mkv")) == hashes(Path("one.mkv"))
    assert copied(Path("many.mkv")) == copied(Path("one.mkv"))


def test_x264_of_fixed_quality_has_the_pictures_and_times_of_chunks_made_by_hand(here: str, clip: Path) -> None:
    command: list[str | Path] = ["-i", clip, f"-vf {TEMPORAL} -c:v libx264 -crf 25 -bf 3 -c:a copy"]
    farmed(Path("job"), *command, "hand.mp4")
    assert ffadcvsr("-farm", here, "-farm_chunk 0.4", *command, "many.mp4") == 0
    assert pictures(Path("many.mp4")) == pictures(Path("hand.mp4"))
    assert times(Path("many.mp4")) == times(Path("hand.mp4"))
    assert copied(Path("many.mp4")) == copied(Path("hand.mp4"))


def test_a_batch_is_made_with_the_same_workers_and_what_is_there_is_left(
    here: str, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("in").mkdir()
    Path("out").mkdir()
    for name in ("a", "b"):
        ffmpeg("-i", clip, f"-c copy in/{name}.mp4")
    Path("in/c.mp4").write_bytes(b"no film at all")
    Path("in/d.mp4").write_bytes(b"made before")
    Path("out/d.mkv").write_bytes(b"made before")
    arguments = f"-farm_chunk 0.4 -farm_keep -i in -vf {TEMPORAL} -c:v ffv1 -c:a copy out/{{name}}.mkv"
    assert ffadcvsr("-farm", here, arguments) == 65
    stderr = capfd.readouterr().err
    assert "1 of 4 outputs exist already" in stderr
    assert "out/c.mkv is not made: " in stderr
    assert ffadcvsr(f"-i in/a.mp4 -vf {TEMPORAL} -c:v ffv1 -c:a copy one.mkv") == 0
    assert hashes(Path("out/a.mkv")) == hashes(Path("out/b.mkv")) == hashes(Path("one.mkv"))
    first, second = (workers(Path(f"out/{name}.mkv.farm")) for name in "ab")
    assert first & second, "each video had workers of its own"
    assert len(first | second) <= 2


def test_gpus_that_do_not_exist_are_not_waited_for(here: str, clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ffadcvsr("-farm", here, "-farm_gpus 0.5 -i", clip, f"-vf {TEMPORAL} out.mkv") == 75
    assert "no node has 1 cores and 0.5 GPUs for a worker" in capfd.readouterr().err
    assert not list(Path().iterdir())


def test_workers_share_a_gpu_where_a_node_has_one(
    cluster: Any, here: str, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WORKER_CLASS", "tests.farm.faulty:Noting")
    node = cluster.add_node(**{**NODE, "num_cpus": 2, "num_gpus": 1})  # as Ray counts them; none is there
    try:
        arguments = f"-farm_chunk 0.2 -farm_gpus 0.5 -farm_keep -i {clip} -vf {TEMPORAL} -c:v ffv1 many.mkv"
        assert ffadcvsr("-farm", here, arguments) == 0
    finally:
        cluster.remove_node(node)
    assert [note.read_text() for note in Path().glob("gpus.*")] == ["0", "0"]
    devices = {note.suffix[1:] for note in Path().glob("gpus.*")}
    assert {worker.rpartition(":")[2] for worker in workers(Path("many.mkv.farm"))} <= devices


def workers(folder: Path) -> set[str]:
    """Who has made chunks of a job."""
    return {line.worker for line in Job.read(folder.resolve()).entries() if line.event == "done"}
