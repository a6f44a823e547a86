"""The arguments of adcvsr: read, typed, described, explained."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.command.filter_options import FilterOptions, help_text, parse
from vsadcvsr import plugin
from vsadcvsr.errors import UsageError

_COUNTS = st.integers(0, 100)
_ANY = st.builds(
    FilterOptions,
    model=st.text(max_size=8),
    scale=_COUNTS,
    width=st.none() | st.integers(-2, 9000),
    height=st.none() | st.integers(-2, 9000),
    device_index=_COUNTS,
    tile=st.none() | st.tuples(_COUNTS, _COUNTS),
    sc_threshold=st.none() | st.floats(0, 1, allow_subnormal=False),  # runtimes turn those off
    denoise=st.floats(0, 1, allow_subnormal=False),
    steady=st.floats(0, 1, allow_subnormal=False),
    sharpen=st.floats(0, 2, allow_subnormal=False),
    strength=st.floats(0, 1, allow_subnormal=False),
    color_fix=st.none() | st.text(max_size=5),
    num_streams=_COUNTS,
    backend_options=st.sampled_from(["", "a.b=1&c=d=e", "CACHE_DIR=C:/a, b"]),
    enable=st.none() | st.sampled_from(["between(t,1,2)", "gt(n, 3)"]),
)


@given(_ANY)
def test_what_is_described_is_read_back_the_same(options: FilterOptions) -> None:
    assert parse(options.summary()) == options


def test_nothing_given_is_all_defaults() -> None:
    assert parse("") == FilterOptions()
    assert FilterOptions().summary() == "model=fast"


def test_values_have_the_types_of_their_options() -> None:
    assert parse("model=quality:scale=2:strength=0.5:tile=256x128") == FilterOptions(
        model="quality", scale=2, strength=0.5, tile=(256, 128)
    )


def test_options_of_a_library_need_no_quotes() -> None:
    options = parse("net.onnx:backend=ort:num_streams=2:backend_options=session.intra_op.allow_spinning=1&a=b")
    assert (options.num_streams, options.backend_options) == (2, "session.intra_op.allow_spinning=1&a=b")


def test_a_first_value_without_a_name_is_the_model() -> None:
    assert parse("best:scale=2") == FilterOptions(model="best", scale=2)


def test_width_and_height_have_short_names() -> None:
    assert parse("w=1920:h=-2") == FilterOptions(width=1920, height=-2)


def test_a_path_with_a_colon_is_quoted_or_escaped() -> None:
    assert parse(r"model=C\:/a.onnx").model == parse("model='C:/a.onnx'").model == "C:/a.onnx"


def test_the_names_and_defaults_are_those_of_the_plugin() -> None:
    known = inspect.signature(plugin.upscale).parameters
    for field in fields(FilterOptions):
        if field.name != "enable":
            assert field.name in known, field.name
            assert known[field.name].default == getattr(FilterOptions(), field.name), field.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scael=2", "did you mean 'scale'"),
        ("format=yuv420p10le", "for a filter after it: adcvsr,format=yuv420p10le$"),
        ("scale=2:pix_fmt=yuv420p", "for a filter after it: adcvsr,format="),
        ("fast:2", "key=value"),
        ("scale=two", "scale is 'two', allowed: <int>, 1 to the model's largest"),
        ("matrix=3", r"matrix is 3, allowed: .*1 \(709\)"),
        ("matrix=bt7", "matrix is 'bt7', allowed: "),
        ("strength=much", "strength is 'much', allowed: <float>"),
        ("tile=256", "tile is '256', allowed: <width>x<height>"),
        ("w=-3", "width is -3, allowed: -2 to"),
        ("enable=t<2", "enable is 't<2'"),
        ("fast:", "key=value"),
    ],
)
def test_wrong_options_are_named_in_the_error(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", (None, None)),
        ("w=-1:h=-1", (None, None)),
        ("w=1000:h=700", (1000, 700)),
        ("w=1280:h=-1", (1280, 718)),
        ("w=1280:h=-2", (1280, 718)),
        ("w=-2:h=1", (2, 1)),
        ("w=1280:h=0", (1280, 716)),
        ("w=1280", (1280, 716)),
        ("scale=3:w=-2:h=-2", (958, 538)),
    ],
)
def test_sizes_are_as_ffmpeg_users_write_them(text: str, size: tuple[int | None, int | None]) -> None:
    """For a clip of 319 x 179."""
    wanted = parse(text).upscale_arguments(319, 179)
    assert (wanted.get("width"), wanted.get("height")) == size


def test_only_what_is_given_goes_to_the_engine() -> None:
    assert "tile" not in parse("").upscale_arguments(8, 8)
    assert "enable" not in parse("enable=1").upscale_arguments(8, 8)


def test_the_timeline_says_when() -> None:
    active = parse(r"enable='gte(n,2)'").activity()
    assert active is not None
    assert [active(None, number) for number in range(4)] == [False, False, True, True]
    assert parse("").activity() is None


@pytest.mark.parametrize("name", [field.name for field in fields(FilterOptions)])
def test_the_help_has_every_option(name: str) -> None:
    [line] = [line for line in help_text().splitlines() if line.split()[:1] == [name]]
    default = getattr(FilterOptions(), name)
    assert ("(default " in line) == (default is not None)
    assert default is None or f"(default {default})" in line


def test_the_help_has_no_option_that_there_is_not() -> None:
    listed = [line.split()[0] for line in help_text().splitlines() if "..FV" in line]
    assert listed == [field.name for field in fields(FilterOptions)]


@pytest.mark.parametrize("text", ["matrix=bt709", "matrix=709", "matrix=1"])
def test_a_matrix_has_a_number_or_a_name(text: str) -> None:
    assert parse(text).matrix == 1
