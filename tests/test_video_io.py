"""Reading and writing clips, for evaluation and training."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from tests.evaluate.waves import moving, picture
from tests.train.media import blobs
from vsadcvsr.errors import MediaError
from vsadcvsr.train.data.segments import VideoSegments
from vsadcvsr.video_io import (
    FrameReader,
    clips_in,
    read_frames,
    read_image,
    read_pixels,
    read_thumbnails,
    read_video,
    readers_in,
    to_float,
    to_uint8,
    write_pictures,
    write_video,
)


def test_a_video_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mkv", moving(3, 34, 50))
    assert np.array_equal(np.stack(list(read_video(tmp_path / "clip.mkv"))), np.stack(moving(3, 34, 50)))


def test_pictures_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clip", moving(3, 33, 51))
    assert np.array_equal(np.stack(list(read_frames(tmp_path / "clip"))), np.stack(moving(3, 33, 51)))


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clip", moving(2, 16, 16))
    (tmp_path / "clip/00000001.png").rename(tmp_path / "clip/frame10.png")
    (tmp_path / "clip/00000002.png").rename(tmp_path / "clip/frame9.png")
    first, second = read_frames(tmp_path / "clip")
    assert np.array_equal(first, picture(16, 16, 1))
    assert np.array_equal(second, picture(16, 16, 0))


@pytest.mark.parametrize("name", ["clip.mkv", "clip"])
def test_no_more_frames_are_read_than_were_asked_for(tmp_path: Path, name: str) -> None:
    write = write_video if name.endswith("mkv") else write_pictures
    write(tmp_path / name, moving(4, 16, 16))
    assert len(list(read_frames(tmp_path / name, limit=3))) == 3


def test_a_picture_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clip", moving(1, 16, 16))
    assert len(list(read_frames(tmp_path / "clip/00000001.png"))) == 1
    assert list(clips_in(tmp_path / "clip")) == ["00000001"]


def test_a_folder_gives_its_videos_and_its_folders_of_pictures(tmp_path: Path) -> None:
    write_video(tmp_path / "b.mkv", moving(1, 16, 16))
    write_pictures(tmp_path / "a", moving(1, 16, 16))
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no clip")
    assert list(clips_in(tmp_path)) == ["a", "b"]


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="holds no video, no folder of pictures"):
        clips_in(tmp_path)
    with pytest.raises(MediaError, match="holds no picture"):
        read_frames(tmp_path)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(MediaError, match="cannot be read as a picture"):
        read_image(tmp_path / "a.png")


def test_eight_bit_pixels_become_a_frame() -> None:
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    pixels[0, 1] = (255, 0, 51)
    assert to_float(pixels)[:, 0, 1].tolist() == pytest.approx([1, 0, 0.2])


def upside_down(path: Path) -> None:
    """Marks a JPEG as one to be shown upside down (EXIF orientation 3)."""
    tag = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 3, 0, 0)
    block = b"Exif\0\0" + tag
    content = path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + content[2:])


def test_pictures_of_any_depth_and_channels_become_8_bit_rgb(tmp_path: Path) -> None:
    colours = blobs(0)[..., ::-1]
    kinds = {
        "plain": colours,
        "deep": colours.astype(np.uint16) * 257,
        "alpha": np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)]),
        "gray": colours[..., 0],
    }
    for name, pixels in kinds.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.ascontiguousarray(pixels))
    read = {name: read_pixels(tmp_path / f"{name}.png") for name in kinds}
    for name in ("plain", "deep", "alpha"):
        assert read[name].dtype == np.uint8
        assert np.array_equal(read[name], blobs(0)), name
    assert np.array_equal(read["gray"], np.repeat(blobs(0)[..., 2:], 3, axis=2))


def test_photographs_come_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    cv2.imwrite(str(path), blobs(1))
    before = read_pixels(path)
    upside_down(path)
    assert np.array_equal(read_pixels(path), before[::-1, ::-1])


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_an_unreadable_picture_is_named(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(content)
    with pytest.raises(MediaError, match=r"broken\.png cannot be read as a picture"):
        read_pixels(broken)


@pytest.mark.parametrize("name", ["clip.mkv", "clip"])
def test_frames_are_read_by_their_numbers(tmp_path: Path, name: str) -> None:
    frames = moving(12, 32, 48)
    write = write_video if name.endswith("mkv") else write_pictures
    write(tmp_path / name, frames)
    reader = readers_in(tmp_path)["clip"]
    assert (reader.frames, reader.width, reader.height) == (12, 48, 32)
    assert np.array_equal(reader.read([10, 3]), [to_uint8(frames[10]), to_uint8(frames[3])])
    with pytest.raises(MediaError, match="has no frame 12"):
        reader.read([0, 12])


@pytest.mark.parametrize("matrix", [None, Colorspace.ITU601])
def test_training_and_evaluation_decode_the_same_pixels(tmp_path: Path, matrix: Colorspace | None) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        if matrix is not None:
            stream.codec_context.colorspace = matrix.value
        for frame in (blobs(seed, 64, 64) for seed in range(2)):
            converted = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="yuv420p", dst_colorspace=matrix)
            file.mux(stream.encode(converted))
        file.mux(stream.encode(None))
    (shot,) = VideoSegments.of(path, frames=1, size=64).shots(0)[:1]
    measured = [to_uint8(frame) for frame in read_video(path, tagged=True)]
    assert np.array_equal(shot[0], measured[0])
    assert np.array_equal(FrameReader.of(path).read([0, 1]), measured)
    ignoring_tags = [to_uint8(frame) for frame in read_video(path)]
    assert np.array_equal(ignoring_tags, measured) == (matrix is None)


def test_two_clips_of_one_name_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "odd", moving(1, 8, 8))
    (tmp_path / "odd.mp4").touch()
    for listing in (clips_in, readers_in):
        with pytest.raises(MediaError, match=r"odd and .*odd\.mp4 have the same name"):
            listing(tmp_path)


def test_a_folder_that_holds_no_video_has_no_readers(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no videos and no folders of pictures in"):
        readers_in(tmp_path / "gone")
    with pytest.raises(MediaError, match="holds no picture"):
        FrameReader.of(tmp_path)


def test_frames_of_another_size_are_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "odd", moving(1, 8, 8))
    write_pictures(tmp_path / "rest", moving(1, 8, 12))
    (tmp_path / "rest" / "00000001.png").rename(tmp_path / "odd" / "00000002.png")
    with pytest.raises(MediaError, match="odd has a frame of 12x8 among those of 8x8"):
        FrameReader.of(tmp_path / "odd").read([0, 1])


def test_an_unreadable_video_is_named_by_every_reader(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"no video")
    for read in (FrameReader.of, lambda path: list(read_video(path)), lambda path: list(read_thumbnails(path, 64))):
        with pytest.raises(MediaError, match=r"broken\.mp4 cannot be read as video"):
            read(path)


def test_a_file_of_sound_alone_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mkv"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    for read in (FrameReader.of, lambda path: list(read_video(path))):
        with pytest.raises(MediaError, match="holds no video"):
            read(tmp_path / "sound.mkv")
