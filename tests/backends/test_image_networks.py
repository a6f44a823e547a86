"""Image networks of any origin: what is found out about a file, what comes out of it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from tests.backends.image_networks import write, write_image_network
from tests.engine.reference import clip_of
from vsadcvsr import backends
from vsadcvsr.engine import Engine, InputFrame
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.spec import Array

KINDS = ("ort", "openvino")
SIZE = (21, 34)


def reference(path: Path, image: Array) -> Array:
    """The output of a file for an array, by ONNX's own reference."""
    model = onnx.load(path)
    outputs: Any = ReferenceEvaluator(model).run(None, {model.graph.input[0].name: image})
    return np.asarray(outputs[0], np.float32)


def outputs(path: Path, backend: str, frames: Array, **options: Any) -> list[Array]:
    return list(Engine.open(path, backend=backend, **options).stream(frames))


@pytest.mark.parametrize("backend", KINDS)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_scale_is_found_and_frames_are_those_of_the_network(backend: str, scale: int, tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", scale=scale)
    loaded = backends.load(path, backend=backend)
    assert (loaded.spec.name, loaded.spec.scale, loaded.spec.multiple, loaded.spec.lookahead) == ("net", scale, 1, 0)
    assert loaded.label == f"{backend}/cpu/fp32"
    frames = clip_of(2, size=SIZE)
    state = loaded.start(*SIZE)
    output, _ = loaded.step(frames, np.ones(2, np.float32), state)
    expected = np.concatenate([reference(path, frame[None]) for frame in frames])
    np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize("backend", KINDS)
def test_a_multiple_is_found_and_frames_are_padded_to_it(backend: str, tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", multiple=4, scale=4)
    assert backends.load(path, backend=backend).spec.multiple == 4
    frame = clip_of(1, size=(21, 34))
    padded = np.pad(frame, ((0, 0), (0, 0), (0, 3), (0, 2)), mode="edge")
    expected = reference(path, padded)[0, :, : 21 * 4, : 34 * 4].clip(0, 1)
    np.testing.assert_allclose(outputs(path, backend, frame)[0], expected, atol=1e-5)


@pytest.mark.parametrize("backend", KINDS)
def test_a_file_in_half_precision_runs_in_its_own_type(backend: str, tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", type="float16", scale=4)
    exact = write_image_network(tmp_path / "exact.onnx", scale=4)
    frame = clip_of(1, size=SIZE)
    np.testing.assert_allclose(outputs(path, backend, frame)[0], outputs(exact, backend, frame)[0], atol=4e-3)
    if backend == "ort":
        assert backends.load(path, backend="ort").label == "ort/cpu/fp16"
        with pytest.raises(BackendError, match=r"precision 'fp32' is not that of net.onnx, available: fp16$"):
            backends.load(path, backend="ort", precision="fp32")


@pytest.mark.parametrize("backend", KINDS)
def test_a_grey_network_takes_luma_and_leaves_the_colours(backend: str, tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", channels=1, scale=4)
    grey = clip_of(1, size=SIZE)[:, :1]
    expected = reference(path, grey)[0].clip(0, 1)
    same = outputs(path, backend, np.repeat(grey, 3, axis=1))[0]
    np.testing.assert_allclose(same, np.repeat(expected, 3, axis=0), atol=1e-5)
    tinted = grey * np.array([1, 0.8, 0.6], np.float32)[:, None, None]
    red, _, blue = outputs(path, backend, tinted)[0]
    assert red.mean() > blue.mean() + 0.1


@pytest.mark.parametrize("backend", KINDS)
def test_channels_may_be_last(backend: str, tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", channels_last=True, scale=4)
    plain = write_image_network(tmp_path / "plain.onnx", scale=4)
    frame = clip_of(1, size=SIZE)
    np.testing.assert_allclose(outputs(path, backend, frame)[0], outputs(plain, backend, frame)[0], atol=1e-5)


@pytest.mark.parametrize("backend", KINDS)
@pytest.mark.parametrize("size", [(16, 24), (64, 64)])
def test_a_fixed_size_means_tiles_or_padding(backend: str, size: tuple[int, int], tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", size=size, scale=4)
    free = write_image_network(tmp_path / "free.onnx", scale=4)
    assert backends.load(path, backend=backend).spec.fixed_size == size
    frame = clip_of(1, size=(45, 61))
    np.testing.assert_allclose(
        outputs(path, backend, frame)[0][:, :-8, :-8], outputs(free, backend, frame)[0][:, :-8, :-8], atol=1e-5
    )


def test_the_tiles_of_a_fixed_size_take_no_other_size(tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", size=(32, 48), scale=4)
    with pytest.raises(ValueError, match=r"tile is \[64, 64\], allowed: \[48, 32\], the only size"):
        Engine.open(path, tile=[64, 64])
    with pytest.raises(ValueError, match="tile_pad is 16, allowed: less than half of 32"):
        Engine.open(path, tile_pad=16)
    Engine.open(path, tile=[48, 32], tile_pad=4)


@pytest.mark.parametrize("backend", KINDS)
def test_tiles_overlap_and_hardly_differ_from_whole_frames(backend: str, tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", reach=3, scale=4)
    frame = clip_of(1, size=(90, 150))
    whole, tiled = outputs(path, backend, frame)[0], outputs(path, backend, frame, tile=[80, 80])[0]
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    narrow = outputs(path, backend, frame, tile=[80, 80], tile_pad=2)[0]
    assert 0 < abs(narrow - whole).mean() < 0.002


@pytest.mark.parametrize("backend", KINDS)
def test_threads_and_order_do_not_change_bits(backend: str, tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", reach=2, scale=4)
    frames = clip_of(5, {2}, (33, 47))
    single, double = (outputs(path, backend, frames, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(single, double)
    engine = Engine.open(path, backend=backend, capacity=1)
    for n in (4, 0, 3, 1, 2):
        np.testing.assert_array_equal(engine.render(n, lambda i: InputFrame(frames[i])), single[n])


def test_the_least_size_is_found_where_there_is_one(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Pad", ["image", "margins"], ["padded"], mode="reflect"),
        helper.make_node("Conv", ["padded", "weights"], ["upscaled"]),
    ]
    values: dict[str, NDArray[Any]] = {
        "margins": np.array([0, 0, 4, 4, 0, 0, 4, 4], np.int64),
        "weights": np.full((3, 3, 9, 9), 1 / 243, np.float32),
    }
    path = write(tmp_path / "net.onnx", nodes, values, {"image": [1, 3, "H", "W"]}, {"upscaled": [None] * 4})
    spec = backends.load(path, backend="ort").spec
    assert (spec.multiple, spec.minimum) == (1, 17)
    output, _ = (loaded := backends.load(path, backend="ort")).step(
        clip_of(1, size=(17, 17)), np.ones(1, np.float32), loaded.start(17, 17)
    )
    assert np.asarray(output).shape == (1, 3, 17, 17)


@pytest.mark.parametrize("backend", KINDS)
def test_a_network_that_rounds_sizes_down_gets_multiples(backend: str, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "weights"], ["small"], strides=[2, 2]),
        helper.make_node("DepthToSpace", ["small"], ["upscaled"], blocksize=4, mode="CRD"),
    ]
    values = {"weights": np.full((48, 3, 2, 2), 1 / 12, np.float32)}
    path = write(tmp_path / "net.onnx", nodes, values, {"image": [1, 3, "H", "W"]}, {"upscaled": [None] * 4})
    spec = backends.load(path, backend=backend).spec
    assert (spec.scale, spec.multiple, spec.minimum) == (2, 2, 2)
    assert outputs(path, backend, clip_of(1, size=(9, 13)))[0].shape == (3, 18, 26)


def _refused(path: Path, name: str) -> Path:
    """A file that is no image network, by the name of its fault."""
    pool = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["upscaled"]),
    ]
    same = [helper.make_node("Identity", ["image"], ["upscaled"])]
    noise = [helper.make_node("Add", ["image", "noise"], ["upscaled"])]
    two = [*same, helper.make_node("Identity", ["image"], ["mask"])]
    image: dict[str, Any] = {"image": [1, 3, "H", "W"]}
    free: dict[str, Any] = {"upscaled": [None] * 4}
    files: dict[str, Any] = {
        "several inputs": lambda: write(path, noise, {}, {**image, "noise": [1, 1, "H", "W"]}, free),
        "several outputs": lambda: write(path, two, {}, image, {**free, "mask": [None] * 4}),
        "a classifier": lambda: write(path, pool, {}, image, {"upscaled": [1, 3]}),
        "a video network": lambda: write(path, same, {}, {"image": [1, 5, 3, "H", "W"]}, {"upscaled": [None] * 5}),
        "no batch": lambda: write(path, same, {}, {"image": [3, "H", "W"]}, {"upscaled": [None] * 3}),
        "a batch of several": lambda: write(path, same, {}, {"image": [4, 3, "H", "W"]}, free),
        "frames as channels": lambda: write_image_network(path, channels=15, returned=3),
        "a mask as well": lambda: write_image_network(path, channels=4),
        "other channels": lambda: write_image_network(path, channels=3, returned=1),
        "too large a scale": lambda: write_image_network(path, scale=8),
        "bytes": lambda: write(path, same, {}, image, free, "uint8"),
        "a huge fixed size": lambda: write(path, same, {}, {"image": [1, 3, 65536, 65536]}, free),
        "an unknown operator": lambda: write(
            path, [helper.make_node("Magic", ["image"], ["upscaled"])], {}, image, free
        ),
    }
    written: Path = files[name]()
    return written


@pytest.mark.parametrize("backend", KINDS)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("several inputs", r"has 2 inputs \(image, noise\); a network with one image in and one image out is needed$"),
        ("several outputs", r"has 2 outputs \(upscaled, mask\); "),
        ("a classifier", r"has an output of shape \((1|\?), 3\), no image; "),
        ("a video network", r"has an input of shape \(1, 5, 3, \?, \?\), several frames at once; "),
        ("no batch", r"has an input of shape \(3, \?, \?\), no batch of images; "),
        ("a batch of several", r"has an input of shape \(4, 3, \?, \?\), 4 images at once; "),
        ("frames as channels", r"takes images of 15 channels, allowed: 3 \(RGB\) or 1 \(grey\)$"),
        ("a mask as well", r"takes images of 4 channels, allowed: "),
        ("other channels", r"returns 1 channels for 3, allowed: as many as it takes$"),
        ("too large a scale", r"returns 152x136 for 19x17, allowed: 1, 2, 3, 4 times the size$"),
        ("bytes", r"has arrays of (tensor\(uint8\)|u8) and .*, allowed: float32, float16$"),
        ("a huge fixed size", r"takes images of 65536x65536 alone, allowed: fixed sizes up to 3840x2160$"),
        ("an unknown operator", r"cannot be read as ONNX \(.*Magic.*\); "),
    ],
)
def test_files_that_are_no_image_network_are_refused_in_one_line(
    backend: str, fault: str, message: str, tmp_path: Path
) -> None:
    path = _refused(tmp_path / "net.onnx", fault)
    with pytest.raises(WeightsError, match=message) as caught:
        backends.load(path, backend=backend)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backend", KINDS)
def test_truncated_and_foreign_files_are_refused(backend: str, tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx")
    for content in (path.read_bytes()[:-60], b"\x89PNG\r\n\x1a\n" + bytes(64), b"PK\x03\x04" + bytes(64)):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"cannot be read as ONNX \(.*\); it is truncated or no ONNX file$"):
            backends.load(path, backend=backend)


@pytest.mark.parametrize("backend", KINDS)
@pytest.mark.parametrize("fault", ["missing", "cut off"])
def test_weights_in_another_file_must_be_there(backend: str, fault: str, tmp_path: Path) -> None:
    path, weights = write_image_network(tmp_path / "net.onnx", reach=2), tmp_path / "net.weights"
    inside = outputs(path, backend, clip_of(1, size=SIZE))
    model = onnx.load(path)
    onnx.save(model, str(path), save_as_external_data=True, location=weights.name, size_threshold=0)
    np.testing.assert_array_equal(outputs(path, backend, clip_of(1, size=SIZE)), inside)
    if fault == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:40])
    path.touch()
    broken = path.rename(tmp_path / "broken.onnx")
    message = r"cannot be read as ONNX \(.*weights.*\); its weights are in another file, which must lie"
    with pytest.raises(WeightsError, match=message) as caught:
        backends.load(broken, backend=backend)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["opset", "ir"])
def test_files_for_a_newer_onnx_say_so(field: str, tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx")
    model = onnx.load(path)
    if field == "opset":
        model.opset_import[0].version = 99
    else:
        model.ir_version = 99
    path.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match=r"; it is for a newer ONNX than this ONNX Runtime; update that") as caught:
        backends.load(path, backend="ort")
    assert "/onnxruntime_src" not in str(caught.value)


@pytest.mark.parametrize("backend", KINDS)
@pytest.mark.parametrize("content", [b"hello\n", b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_text_files_are_one_line_and_nothing_else(
    backend: str, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"cannot be read as ONNX \(.*\); it is truncated or no ONNX file$"):
        backends.load(path, backend=backend)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("backend", KINDS)
@pytest.mark.parametrize("scales", [(1.5, 1.5), (2, 3), (0.5, 0.5)])
def test_scales_that_are_not_whole_are_refused(backend: str, scales: tuple[float, float], tmp_path: Path) -> None:
    nodes = [helper.make_node("Resize", ["image", "", "scales"], ["upscaled"], mode="nearest")]
    values = {"scales": np.array([1, 1, *scales], np.float32)}
    path = write(tmp_path / "net.onnx", nodes, values, {"image": [1, 3, "H", "W"]}, {"upscaled": [None] * 4})
    with pytest.raises(WeightsError, match=r"returns \d+x\d+ for 19x17, allowed: 1, 2, 3, 4 times the size$"):
        backends.load(path, backend=backend)


@pytest.mark.parametrize("backend", KINDS)
def test_a_network_that_gives_nan_is_one_line(backend: str, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Sub", ["image", "image"], ["zero"]),
        helper.make_node("Log", ["zero"], ["low"]),
        helper.make_node("Sub", ["low", "low"], ["upscaled"]),
    ]
    path = write(tmp_path / "net.onnx", nodes, {}, {"image": [1, 3, "H", "W"]}, {"upscaled": [None] * 4})
    with pytest.raises(BackendError, match="the network gave NaN"):
        outputs(path, backend, clip_of(1, size=SIZE))


def test_other_arguments_are_answered_in_one_line(tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match=r"no restoring weights next to it \(net-restore.safetensors\)"):
        Engine.open(path, denoise=0.5)
    with pytest.raises(BackendError, match=r"precision 'int8' is not available to backend 'openvino' for net\.onnx"):
        Engine.open(path, backend="openvino", precision="int8")
    with pytest.raises(BackendError, match=r"precision 'bf16' is not that of net\.onnx, available: fp32"):
        Engine.open(path, backend="ort", precision="bf16")
