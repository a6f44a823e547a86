"""Filter graphs: read, printed as they were, and cut at adcvsr."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ffmpeg_filter.command.filtergraph import Node, escape, fields, mentions, parse, unescape
from vsadcvsr.errors import UsageError

_PIECES = ["[0:v]", "[a]", " [b] ", "scale", "=w=2:h=3", ",", ";", "adcvsr", "'a,b'", r"\,", "\n", "]", "sws_flags=x;"]
_TEXTS = st.one_of(st.text(max_size=12), st.lists(st.sampled_from(_PIECES), max_size=8).map("".join))


@given(_TEXTS)
def test_what_can_be_read_is_printed_as_it_was(text: str) -> None:
    try:
        graph = parse(text)
    except UsageError:
        assume(condition=False)
    assert str(graph) == text


@given(st.text(max_size=20), st.sampled_from(["", ":", "[],;"]))
def test_escaping_is_undone_by_reading(text: str, special: str) -> None:
    assert unescape(escape(text, special)) == text


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_value_survives_both_levels(first: str, second: str) -> None:
    arguments = ":".join(f"{key}={escape(value, ':')}" for key, value in (("a", first), ("b", second)))
    graph = parse(f"null,adcvsr={escape(arguments, '[],;')},null")
    [_, node, _] = graph.chains[0]
    values = [field.partition("=")[2] for field in fields(node.arguments)]
    assert [unescape(value) for value in values] == [first, second]


@pytest.mark.parametrize(
    ("text", "plain"),
    [("a'b c'd", "ab cd"), (r"a\'b", "a'b"), (r"'a\b'", r"a\b"), ("'open", "open"), ("end\\", "end\\"),
     (" a b ", "a b"), (r" a\ ", "a "), ("' a '", " a "), (r"between(t\,1\,2)", "between(t,1,2)")],
)  # fmt: skip
def test_quotes_are_read_as_ffmpeg_reads_them(text: str, plain: str) -> None:
    assert unescape(text) == plain


def test_a_graph_has_chains_of_filters_with_labels() -> None:
    graph = parse("sws_flags=lanczos;[0:v] scale@x=2:3 , hflip[u];\n[u][ 1:v ]overlay=20:20[v]")
    assert graph.head == "sws_flags=lanczos;"
    [[scale, flip], [overlay]] = graph.chains
    assert (scale.name, scale.inputs, scale.arguments) == ("scale", ("0:v",), "2:3")
    assert (flip.name, flip.outputs) == ("hflip", ("u",))
    assert (overlay.inputs, overlay.outputs) == (("u", "1:v"), ("v",))


@pytest.mark.parametrize("text", ["", "scale,,hflip", "a;;b", "[in]", "a]b", "scale[a]hflip", "sws_flags=x;"])
def test_what_is_no_graph_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="filter graph"):
        parse(text)


@pytest.mark.parametrize(("text", "is_there"), [("a,adcvsr=x", True), ("[0:v]adcvsr[u]", True), ("adcvsrx", False),
                                                 ("scale", False), (None, False)])  # fmt: skip
def test_a_text_mentions_adcvsr_as_a_filter_only(text: str | None, is_there: bool) -> None:
    assert mentions(text) is is_there


def test_a_filter_is_made_from_names() -> None:
    assert str(Node.labelled("overlay", ["0:v", "l"], ["v"])) == "[0:v][l]overlay[v]"
