"""The page of `adcvsr compare`: whole in itself, true to the pixels, and alive in a browser."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from tests import browser
from vsadcvsr.cli import app
from vsadcvsr.errors import FormatError, MediaError, UsageError
from vsadcvsr.evaluate import compare as module
from vsadcvsr.evaluate.compare import View, compare
from vsadcvsr.evaluate.metrics.fidelity import fidelity
from vsadcvsr.video_io import read_frames

type Pixels = NDArray[np.uint8]


def pictures(folder: Path, count: int, size: tuple[int, int], seed: int = 0) -> Path:
    """A folder of PNG frames (width, height) of noise."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for number in range(count):
        noise = rng.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:03d}.png"), noise)
    return folder


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., dict[str, object]]:
    def made(*names: str, **more: object) -> dict[str, object]:
        out = tmp_path / "page.html"
        compare([(name, tmp_path / name) for name in names], out, **more)  # type: ignore[arg-type]
        return content(out)

    return made


def content(path: Path) -> dict[str, object]:
    return browser.content(path.read_text(encoding="utf-8"))


def test_lossless_pictures_are_the_pixels_themselves(tmp_path: Path, page: Callable[..., dict[str, object]]) -> None:
    for seed, name in enumerate("ab"):
        pictures(tmp_path / name, 2, (24, 20), seed)
    data = page("a", "b", view=View(lossless=True))
    assert (data["names"], data["count"], data["width"], data["height"]) == (["a", "b"], 2, 24, 20)
    for name, uris in zip("ab", data["pictures"], strict=True):  # type: ignore[call-overload]
        for number, uri in enumerate(uris):
            kind, coded = uri.split(",", 1)
            assert kind == "data:image/png;base64"
            seen = cv2.imdecode(np.frombuffer(base64.b64decode(coded), np.uint8), cv2.IMREAD_COLOR)
            assert np.array_equal(seen, cv2.imread(str(tmp_path / name / f"{number:03d}.png")))  # type: ignore[arg-type]


def test_the_page_asks_nothing_of_the_world(tmp_path: Path, page: Callable[..., dict[str, object]]) -> None:
    for name in ("a", "</script><b>"[:2] + "b"):
        pictures(tmp_path / name.replace("/", "-"), 1, (24, 20))
    compare([("a", tmp_path / "a"), ("</script>&", tmp_path / "<-b")], tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert browser.asks_nothing_of_the_world(text)
    assert text.count("<script") == 2
    assert content(tmp_path / "page.html")["names"] == ["a", "</script>&"]


def test_measures_are_fidelitys_own(tmp_path: Path, page: Callable[..., dict[str, object]]) -> None:
    for seed, name in enumerate(("a", "b", "true")):
        pictures(tmp_path / name, 2, (40, 32), seed)
    data = page("a", "b", truth=tmp_path / "true")
    curves: dict[str, list[list[float | None]]] = {item["name"]: item["values"] for item in data["curves"]}  # type: ignore[attr-defined]
    pairs = zip(read_frames(tmp_path / "a"), read_frames(tmp_path / "true"), strict=True)
    assert curves["PSNR-Y, dB"][0] == pytest.approx([fidelity(*pair).psnr_y for pair in pairs], abs=1e-4)
    assert curves["PSNR-Y, dB"][2] == [None, None]  # nothing differs
    assert curves["SSIM-Y"][2] == [1.0, 1.0]
    flicker = next(values for name, values in curves.items() if name.startswith("flicker"))
    assert flicker[0][0] is None
    assert flicker[0][1] is not None
    assert flicker[0][1] > 10


def test_a_smaller_source_is_enlarged_and_the_shorter_decides(tmp_path: Path) -> None:
    pictures(tmp_path / "low", 3, (6, 5))
    pictures(tmp_path / "up", 2, (24, 20))
    notes = compare([("low", tmp_path / "low"), ("up", tmp_path / "up")], tmp_path / "page.html")
    assert [note.split(":")[0] for note in notes] == ["low", "low"]
    data = content(tmp_path / "page.html")
    assert (data["count"], data["width"], data["notes"]) == (2, 24, notes)


def test_start_frames_and_crop_choose_what_is_shown(tmp_path: Path, page: Callable[..., dict[str, object]]) -> None:
    for name in "ab":
        pictures(tmp_path / name, 5, (24, 20))
    data = page("a", "b", view=View(start=2, frames=2, crop=8, lossless=True))
    assert (data["start"], data["count"], data["width"], data["height"]) == (2, 2, 8, 8)
    first = cv2.imdecode(np.frombuffer(base64.b64decode(data["pictures"][0][0].split(",")[1]), np.uint8), 1)  # type: ignore[index]
    whole = cv2.imread(str(tmp_path / "a" / "002.png"))
    assert whole is not None
    assert np.array_equal(first, whole[6:14, 8:16])  # type: ignore[arg-type]


def test_videos_are_read_in_their_own_colours(tmp_path: Path, page: Callable[..., dict[str, object]]) -> None:
    flat = np.full((16, 16, 3), (200, 60, 40), np.uint8)
    for name, space in (("a.mkv", 5), ("b.mkv", 1)):
        with av.open(str(tmp_path / name), "w") as file:
            stream = file.add_stream("ffv1", rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv444p"
            stream.codec_context.colorspace = space
            frame = av.VideoFrame.from_ndarray(flat, format="rgb24").reformat(format="yuv444p", dst_colorspace=space)
            frame.colorspace = space
            file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    data = page("a.mkv", "b.mkv", view=View(lossless=True))
    for (uri,) in data["pictures"]:  # type: ignore[attr-defined]
        seen = cv2.imdecode(np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8), 1)
        assert seen is not None
        assert np.abs(seen[8, 8, ::-1].astype(int) - flat[0, 0]).max() <= 3


def test_inputs_that_do_not_fit_are_one_line_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "a", 2, (24, 20))
    pictures(tmp_path / "odd", 2, (20, 20))
    (tmp_path / "torn.mp4").write_bytes(b"no video")

    def here(*names: str) -> list[tuple[str, Path]]:
        return [(name, tmp_path / name) for name in names]

    cases: list[tuple[list[tuple[str, Path]], type[Exception], str]] = [
        (here("a"), UsageError, "two or more"),
        (here("a", "a"), UsageError, "two videos have one name"),
        (here("a", "odd"), FormatError, "odd is 20x20, which no whole number scales to 24x20"),
        (here("a", "none.mkv"), MediaError, "does not exist"),
        (here("a", "torn.mp4"), MediaError, r"torn\.mp4"),
    ]
    for inputs, kind, message in cases:
        with pytest.raises(kind, match=message):
            compare(inputs, tmp_path / "page.html")
    with pytest.raises(MediaError, match="no frame 7"):
        compare([("a", tmp_path / "a"), ("b", tmp_path / "a")], tmp_path / "page.html", view=View(start=7))
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    with pytest.raises(FormatError, match="fewer --frames"):
        compare([("a", tmp_path / "a"), ("b", tmp_path / "a")], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
    with pytest.raises(UsageError, match="quality is 101"):
        View(quality=101)


def test_the_command_writes_a_page(tmp_path: Path) -> None:
    for name in "ab":
        pictures(tmp_path / name, 1, (24, 20))
    arguments = [
        "compare",
        str(tmp_path / "a"),
        str(tmp_path / "b"),
        "-o",
        str(tmp_path / "c.html"),
        "--names",
        "one,two",
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert content(tmp_path / "c.html")["names"] == ["one", "two"]
    assert isinstance(CliRunner().invoke(app, [*arguments[:-1], "one"]).exception, UsageError)


def test_a_page_in_a_missing_folder_is_refused_before_the_videos_are_read(tmp_path: Path) -> None:
    arguments = ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "-o", str(tmp_path / "gone" / "page.html")]
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, UsageError)
    assert "page.html is in a folder that does not exist; make it first" in str(error)


@pytest.mark.parametrize(
    ("state", "drawn"),
    [
        ("", "0 0 1 slide"),
        ("frame=1&left=1&right=0&way=differ&zoom=4", "1 1 0 differ"),
        ("frame=99&left=-3&way=x", "1 0 1 slide"),
    ],
)
def test_the_page_comes_alive_in_a_browser(state: str, drawn: str, tmp_path: Path) -> None:
    for name in "ab":
        pictures(tmp_path / name, 2, (24, 20))
    compare([("a", tmp_path / "a"), ("b", tmp_path / "b")], tmp_path / "page.html")
    seen = browser.dom(f"{(tmp_path / 'page.html').as_uri()}#{state}", tmp_path)
    assert f'data-drawn="{drawn}"' in seen
    assert "<polyline" in seen
