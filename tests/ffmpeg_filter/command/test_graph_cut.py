"""The parts of a filter graph before and after `adcvsr`."""

from __future__ import annotations

import pytest

from ffmpeg_filter.command.filtergraph import parse
from ffmpeg_filter.command.graph_cut import cut, with_output
from vsadcvsr.errors import UsageError


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("adcvsr", "null", "null"),
        ("adcvsr=scale=2,hflip", "null", "hflip"),
        ("bwdif,crop=4:4,adcvsr@us,format=yuv420p", "bwdif,crop=4:4", "format=yuv420p"),
        ("[0:v]adcvsr[u];[u][1:v]overlay=20:20[v]", "[0:v]null", "null[u];[u][1:v]overlay=20:20[v]"),
        ("[0:v][1:v]overlay[o];[o]adcvsr[v]", "[0:v][1:v]overlay[o];[o]null", "null[v]"),
        ("[0:v]hflip[a];[1:v]vflip[b];[b]adcvsr[c];[a][c]hstack", "[1:v]vflip[b];[b]null",
         "[0:v]hflip[a];null[c];[a][c]hstack"),
        ("sws_flags=lanczos;[0:v]scale=2:2,adcvsr,setsar=1[v]", "sws_flags=lanczos;[0:v]scale=2:2",
         "sws_flags=lanczos;setsar=1[v]"),
        ("[0:v]adcvsr,split[a][b]", "[0:v]null", "split[a][b]"),
        ("[0:v]split[a][b];[a][b]hstack,adcvsr[v]", "[0:v]split[a][b];[a][b]hstack", "null[v]"),
        # filters that both parts need
        ("[0:v]split[a][b];[a]adcvsr[u];[b][u]hstack", "[0:v]split[a][b];[b]nullsink;[a]null",
         "[0:v]split[a][b];null[u];[b][u]hstack;[a]nullsink"),
        ("[0:v]split[a],hflip[x];[a]adcvsr[u];[x][u]hstack", "[0:v]split[a],nullsink;[a]null",
         "[0:v]split[a],hflip[x];null[u];[x][u]hstack;[a]nullsink"),
        ("[0:v]fps=10,split[a],scale=4:4,adcvsr[u];[a]hflip[x]", "[a]nullsink;[0:v]fps=10,split[a],scale=4:4",
         "[0:v]fps=10,split[a],nullsink;null[u];[a]hflip[x]"),
        ("[0:v][0:a][1:v][1:a]concat=n=2:v=1:a=1[v][s];[v]adcvsr[u]",
         "[0:v][0:a][1:v][1:a]concat=n=2:v=1:a=1[v][s];[s]anullsink;[v]null",
         "[0:v][0:a][1:v][1:a]concat=n=2:v=1:a=1[v][s];null[u];[v]nullsink"),
        ("anullsrc[n];[0:v][n]concat=1:2:1[v][w][s];[w]adcvsr[u]",
         "anullsrc[n];[0:v][n]concat=1:2:1[v][w][s];[v]nullsink;[s]anullsink;[w]null",
         "anullsrc[n];[0:v][n]concat=1:2:1[v][w][s];null[u];[w]nullsink"),
        ("[0:v][0:a][1:v][1:a]concat=2: a = 1 :unsafe=1[v][s];[v]adcvsr[u]",
         "[0:v][0:a][1:v][1:a]concat=2: a = 1 :unsafe=1[v][s];[s]anullsink;[v]null",
         "[0:v][0:a][1:v][1:a]concat=2: a = 1 :unsafe=1[v][s];null[u];[v]nullsink"),
        ("[0:v]split[a][b];[a]hflip[h];[h][1:v]hstack,adcvsr[u]",
         "[0:v]split[a][b];[a]hflip[h];[b]nullsink;[h][1:v]hstack", "[0:v]split[a][b];null[u];[a]nullsink"),
    ],
)  # fmt: skip
def test_a_graph_is_cut_in_two(text: str, before: str, after: str) -> None:
    result = cut(parse(text))
    assert result is not None
    assert (str(result.before), str(result.after)) == (before, after)


def test_the_chain_after_adcvsr_is_returned() -> None:
    result = cut(parse("[1:v]hflip[a];[0:v]adcvsr[u];[u][a]overlay"))
    assert result is not None
    assert str(result.after.chains[result.after_chain][0]) == "null[u]"


@pytest.mark.parametrize(
    ("text", "before", "after", "source_chain"),
    [
        ("split[a][b];[a]adcvsr[u];[b][u]hstack", "split[a][b];[b]nullsink;[a]null",
         "split[a][b];null[u];[b][u]hstack;[a]nullsink", 0),
        ("color[c];hflip,split[a],adcvsr[u];[a][u][c]hstack=3", "[a]nullsink;hflip,split[a]",
         "color[c];hflip,split[a],nullsink;null[u];[a][u][c]hstack=3", 1),
        ("hflip,adcvsr,split[a][b];[a][b]hstack", "hflip", "split[a][b];[a][b]hstack", None),
    ],
)  # fmt: skip
def test_both_parts_may_take_the_stream_of_a_simple_graph(
    text: str, before: str, after: str, source_chain: int | None
) -> None:
    result = cut(parse(text), is_simple=True)
    assert result is not None
    assert (str(result.before), str(result.after), result.source_chain) == (before, after, source_chain)


@pytest.mark.parametrize(
    ("text", "labelled"),
    [
        ("hflip", "hflip,null[out]"),
        ("split[a][b];[a][b]hstack;[c]nullsink", "split[a][b];[a][b]hstack,null[out];[c]nullsink"),
        ("[a][b]hstack[x];split[a][b]", "[a][b]hstack[x];split[a][b];[x]null[out]"),
    ],
)
def test_the_output_of_a_simple_graph_gets_a_label(text: str, labelled: str) -> None:
    assert str(with_output(parse(text), "out")) == labelled


def test_a_graph_without_adcvsr_is_left_alone() -> None:
    assert cut(parse("scale=2:2,drawtext=text=adcvsr")) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adcvsr,adcvsr", "2 times in one graph"),
        ("[0:v]adcvsr[a];[1:v]adcvsr[b]", "2 times in one graph"),
        ("[0:a]adcvsr", "on audio"),
        ("[0:a:1]adcvsr", "on audio"),
        ("[a][b]adcvsr", "one input and one output"),
        ("adcvsr[a][b]", "one input and one output"),
        ("[0:v]scale,[1:v]adcvsr", "one input and one output"),
        ("adcvsr[u],hflip", "one input and one output"),
        ("[x]adcvsr[x]", "loop"),
        ("[x]adcvsr[y];[y]hflip[x]", "loop"),
        ("split[a][b];[a]adcvsr[u];[b][u]hstack", r"too; name its input in -filter_complex, such as \[0:v\]split"),
        ("hflip,split[a][b];[a]adcvsr[u]", "'split', whose frames go elsewhere, too"),
        ("[0:v]waveform,feedback[a][b];[a]adcvsr[u]", "'feedback', whose .* too; repeat the filters in a second"),
    ],
)
def test_graphs_that_cannot_be_cut_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cut(parse(text))
