"""Frames of a chunk are those of the whole film, from whatever source, wherever a seek lands."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ffmpeg_filter.farm.frame_index import FrameIndex, frame_checksum
from ffmpeg_filter.farm.job_context import JobContext
from ffmpeg_filter.farm.render import FrameSource, MisalignedError
from tests.ffmpeg_filter.farms import TEMPORAL, farm, farmed, hashes, source
from tests.ffmpeg_filter.files import copied, ffadcvsr, ffmpeg, skip_if_it_crashes
from vsadcvsr.farm.store.job import Job

pytestmark = pytest.mark.usefixtures("in_tmp_path")

_LONG = "testsrc2=s=32x24:r=25:d=6,noise=alls=9:allf=t"
_OPEN = "-x264-params open-gop=1:keyint=30:bframes=3:b-adapt=0"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of films of six seconds, with open groups of pictures where there can be such."""
    folder = tmp_path_factory.mktemp("films")
    source(folder / "open.mkv", "-c:v libx264", _OPEN, "-c:a mp2", pictures=_LONG)
    for name in ("open.mp4", "open.ts"):
        ffmpeg("-i", folder / "open.mkv", "-c copy", folder / name)
    late = "setpts='PTS+mod(N\\,7)*0.004/TB+0.5/TB',format=yuv420p10le"
    codec = "-fps_mode passthrough -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=20 -c:a copy"
    ffmpeg("-i", folder / "open.mkv", "-vf", late, codec, folder / "irregular.mkv")
    fields = "-vf tinterlace=interleave_top,fieldorder=tff -flags +ilme+ildct -c:v mpeg2video -q:v 3 -c:a copy"
    ffmpeg("-i", folder / "open.mkv", fields, folder / "fields.ts")
    return folder


def film_of(*arguments: str | Path) -> FrameSource:
    """What a worker would read the command's frames with; the second word is the source."""
    skip_if_it_crashes(Path(arguments[1]))
    assert farm("plan", Path("job"), "--", *arguments, "-c:v ffv1 -an many.mkv") == 0
    context = JobContext(Job.read(Path("job")))
    spec = context.spec
    return FrameSource(context.binary, context.split.decoder_args, context.index, spec.pts_shift, spec.preroll)


def attempts_for(film: FrameSource, first: int) -> int:
    """How often a decoder had to be begun until it gave the frames of the index."""
    for count, at in enumerate(film.seek_points(first), 1):
        try:
            result = list(film.frames(first, first + 2, at))
        except MisalignedError:
            continue
        assert [frame.pts for frame in result] == list(film.index.times[first : first + 2])
        assert [frame_checksum(frame) for frame in result] == list(film.index.checksums[first : first + 2])
        return count
    raise AssertionError(f"frame {first} was not found at all")


@pytest.mark.parametrize(("name", "most"), [("open.mkv", 1), ("open.mp4", 2), ("irregular.mkv", 1)])
def test_a_seek_gives_the_frames_of_the_index(films: Path, name: str, most: int) -> None:
    film = film_of("-i", films / name, "-vf adcvsr=nearest")
    assert max(attempts_for(film, first) for first in (30, 61, 89, 120, 147)) == most


def test_a_seek_in_mpeg_ts_that_lands_too_late_is_made_again_earlier(films: Path) -> None:
    film = film_of("-i", films / "open.ts", "-vf adcvsr=nearest")
    counts = [attempts_for(film, first) for first in (30, 61, 89, 120, 147)]
    assert max(counts) > 1


def test_fields_made_frames_are_found_by_beginning_a_few_frames_earlier(films: Path) -> None:
    film = film_of("-i", films / "fields.ts", "-vf bwdif,adcvsr=nearest")
    assert film.preroll == 8
    assert attempts_for(film, 60) <= 3


def test_after_ss_in_the_command_frames_are_found_all_the_same(films: Path) -> None:
    film = film_of("-ss 1.03 -t 4 -i", films / "open.mp4", "-vf adcvsr=nearest")
    assert [attempts_for(film, first) for first in (40, 80, 98)] == [1, 1, 1]


def test_a_filter_that_remembers_is_given_the_video_from_its_beginning(films: Path) -> None:
    film = film_of("-i", films / "open.mkv", "-vf fps=30,adcvsr=nearest")
    assert list(film.seek_points(100)) == [None]
    assert attempts_for(film, 100) == 1


def test_where_all_seeks_are_wrong_the_beginning_of_the_video_is_right(films: Path) -> None:
    film = film_of("-i", films / "open.mkv", "-vf adcvsr=nearest")
    astray = FrameSource(film.binary, film.decoder_args, film.index, 40, 0)
    assert attempts_for(astray, 100) == len(list(film.seek_points(100))) == 3


@pytest.mark.parametrize("at", [None, Fraction(1)])
def test_frames_with_other_pixels_are_not_taken(films: Path, at: Fraction | None) -> None:
    film = film_of("-i", films / "open.mkv", "-vf adcvsr=nearest")
    sums = [*film.index.checksums[:41], 0, *film.index.checksums[42:]]
    index = FrameIndex(film.index.time_base, film.index.times, film.index.durations, sums, [])
    other = FrameSource(film.binary, film.decoder_args, index, film.pts_shift, film.preroll)
    with pytest.raises(MisalignedError, match="frame 41 has other pixels"):
        list(other.frames(40, 43, at))


def test_a_source_that_ends_too_soon_is_noticed(films: Path) -> None:
    film = film_of("-i", films / "open.mkv", "-vf adcvsr=nearest")
    with pytest.raises(MisalignedError, match="ends before frame 160"):
        list(film.frames(140, 160, None))


@pytest.mark.parametrize(
    "arguments", ["irregular.mkv", "open.ts", "-itsoffset 0.3 -i open.mp4", "-copyts -i open.ts", "-ss 1.03 -i open.ts"]
)
def test_the_output_is_that_of_one_machine(films: Path, arguments: str) -> None:
    name = arguments.rsplit(maxsplit=1)[-1]
    opening = arguments.removesuffix(name) or "-i"
    skip_if_it_crashes(films / name)
    command: list[str | Path] = [opening, films / name, f"-vf {TEMPORAL} -c:v ffv1 -c:a copy"]
    assert ffadcvsr(*command, "one.mkv") == 0
    farmed(Path("job"), *command, "many.mkv", seconds="2")
    assert hashes(Path("many.mkv")) == hashes(Path("one.mkv"))
    assert copied(Path("many.mkv")) == copied(Path("one.mkv"))


def scenes(path: Path, length: int = 75) -> None:
    """A film of pictures that stay for two to six frames, each with a little noise of its own."""
    random = np.random.default_rng(7)
    stays = np.repeat(np.arange(length), random.integers(2, 7, length))[:length]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        for scene in stays:
            still = np.random.default_rng(int(scene)).integers(20, 235, (6, 8))
            picture = np.kron(still, np.ones((8, 8))) + random.integers(-4, 5, (48, 64))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="gray")))
        file.mux(stream.encode(None))


def test_nothing_crosses_cuts_every_few_frames() -> None:
    scenes(Path("cuts.mkv"))
    command = f"-i cuts.mkv -vf {TEMPORAL} -c:v ffv1 -an"
    assert ffadcvsr(command, "one.mkv") == 0
    job = farmed(Path("job"), command, "many.mkv", seconds="0.5")
    cuts = JobContext(job).index.cuts
    assert len(cuts) > 8
    assert {chunk.begin for chunk in job.chunks[1:]} <= set(cuts)
    assert hashes(Path("many.mkv")) == hashes(Path("one.mkv"))
