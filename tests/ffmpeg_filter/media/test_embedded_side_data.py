"""Side data are found in the bytes of a source: in the first packets, in heads of MP4, and captions that begin late."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.media import embedded_side_data
from ffmpeg_filter.media.probe import probe
from ffmpeg_filter.media.showinfo import CAPTIONS, EXIF, HDR10_PLUS, PACKING, PROFILE
from tests.ffmpeg_filter.files import captioned, ffmpeg
from tests.ffmpeg_filter.stills import still

WINDOW, WINDOWS = 1 << 19, 128


def kinds(path: Path) -> frozenset[str]:
    """Those of the first stream, as a command with this input knows them."""
    return probe(parse(["-i", str(path), "out.mkv"]).inputs[0]).streams[0].side_data


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4"])
def test_captions_that_begin_behind_the_first_packets_are_found(name: str, tmp_path: Path) -> None:
    assert kinds(captioned(tmp_path / name, frames=40, first=35)) == {CAPTIONS}


def test_a_video_without_captions_has_none(tmp_path: Path) -> None:
    assert kinds(captioned(tmp_path / "a.ts", frames=40, first=40)) == set()


def test_captions_of_a_programme_are_found_in_a_recording_that_is_not_read_as_a_whole(tmp_path: Path) -> None:
    size = 40 * WINDOW * WINDOWS
    with (tmp_path / "recording.ts").open("wb") as file:
        file.truncate(size)
        for at in range(size // 2, size, WINDOW):
            file.seek(at)
            file.write(b"GA94\x03")
    assert embedded_side_data.has_later_captions([tmp_path / "recording.ts"])
    (tmp_path / "recording.ts").write_bytes(b"")
    with (tmp_path / "recording.ts").open("r+b") as file:
        file.truncate(size)
    assert not embedded_side_data.has_later_captions([tmp_path / "recording.ts"])


@pytest.mark.parametrize(("name", "pixels"), [("a.png", "rgb24"), ("a.jpg", "yuvj420p"), ("a.webp", "yuv420p")])
def test_profiles_and_exif_of_stills_are_found(name: str, pixels: str, tmp_path: Path) -> None:
    assert kinds(still(tmp_path / name, pixels=pixels)) == {PROFILE, EXIF}
    ffmpeg("-f lavfi -i testsrc2=s=32x24 -frames:v 1 -update 1 -pix_fmt", pixels, tmp_path / f"bare{name}")
    assert kinds(tmp_path / f"bare{name}") == set()


def test_profiles_of_tiff_and_of_a_track_of_quicktime_are_found(tmp_path: Path) -> None:
    assert kinds(still(tmp_path / "a.tiff")) == {PROFILE, EXIF}
    box = b"colrprof" + bytes(20)
    moov = (8 + len(box)).to_bytes(4) + b"moov" + box
    (tmp_path / "a.mov").write_bytes((16).to_bytes(4) + b"ftypqt  " + bytes(4) + moov)
    assert embedded_side_data.in_mp4([tmp_path / "a.mov"]) == {PROFILE}
    (tmp_path / "b.mov").write_bytes((1).to_bytes(4) + b"mdat" + (24).to_bytes(8) + bytes(8) + moov[:-1])
    assert embedded_side_data.in_mp4([tmp_path / "b.mov"]) == {PROFILE}


def test_messages_of_videos_are_distinguished() -> None:
    assert embedded_side_data.in_packet("h264", b"\0\0\1\x06\x2d\x07") == {PACKING}
    assert embedded_side_data.in_packet("hevc", b"\xb5\0\x3c\0\1\4\1") == {HDR10_PLUS}
    assert embedded_side_data.in_packet("av1", b"GA94\3") == {CAPTIONS}
    assert embedded_side_data.in_packet("vp9", b"GA94\3") == set()


def test_a_picture_that_pyav_cannot_decode_has_facts_all_the_same(tmp_path: Path) -> None:
    """JPEG XL: a codestream of which only the signature and the size are read."""
    (tmp_path / "a.jxl").write_bytes(bytes.fromhex("ff0a7801c04b1200") + bytes(64))
    assert kinds(tmp_path / "a.jxl") == {PROFILE, EXIF}
