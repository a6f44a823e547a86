"""Cutting of a filter graph at `adcvsr`: the filters upstream of it, and all others. Pure.

Filters whose frames go to `adcvsr` and elsewhere, such as `split` and `concat` with sound, are in both parts; their
outputs that a part has no use for end in sinks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from itertools import groupby

from ffmpeg_filter.command.filtergraph import NAME, Graph, Node, fields
from vsadcvsr.errors import UsageError

_SPLITTERS = {"extractplanes", "scale2ref", "select", "split"}
"""Filters of video with several outputs."""
_SINKS = {"anullsink", "nullsink"}
_SOURCE = re.compile(r"\w+src|color|sine|testsrc2")
"""Filters without input."""

type Place = tuple[int, int]
"""Number of a chain, and position of a filter in it."""
type Output = tuple[int, int, int]
"""Place of a filter, and number of one of its outputs."""


@dataclass(frozen=True)
class GraphCut:
    """A graph split at `adcvsr`."""

    node: Node
    """The `adcvsr` filter."""
    before: Graph
    """All filters upstream; the last chain has an unconnected output."""
    after: Graph
    """All other filters; chain `after_chain` has an unconnected input."""
    after_chain: int
    """The chain of `after` that continues from `adcvsr`."""
    source_chain: int | None = None
    """The chain of `after` that takes the stream of a simple graph again; None if there is none."""

    @property
    def sources(self) -> list[str]:
        """The labels that `before` takes and does not make, in order."""
        nodes = [node for _, _, node in self.before.nodes()]
        internal = {label for node in nodes for label in node.outputs}
        return [label for node in nodes for label in node.inputs if label not in internal]


def cut(graph: Graph, *, is_simple: bool = False) -> GraphCut | None:
    """The graph split at its `adcvsr`; None if it has none. Raises UsageError if it cannot be split.

    In a simple graph (`-vf`) the filter without input takes the output's stream, which both parts may then take.
    """
    positions = [(number, position, node) for number, position, node in graph.nodes() if node.name == NAME]
    if not positions:
        return None
    if len(positions) > 1:
        raise UsageError(f"{NAME} is used {len(positions)} times in one graph; chain two commands with a pipe")
    number, position, node = positions[0]
    follows, leads = position > 0, position + 1 < len(graph.chains[number])
    if len(node.inputs) + follows > 1 or len(node.outputs) + leads > 1:
        raise UsageError(f"{NAME} has one input and one output; {str(node)!r} has more")
    if any(re.match(r"\d+:a", label) for label in node.inputs):
        raise UsageError(f"{NAME} is used on audio, [{node.inputs[0]}]; it takes video")
    own = (number, position)
    upstream = _upstream(graph, own)
    if own in upstream:
        raise UsageError(f"{NAME} is in a loop of labels; remove the loop")
    ahead, consumers = {*upstream, own}, _consumers(graph)
    leaving = {output for output, place in consumers.items() if output[:2] in upstream and place not in ahead}
    repeated = _repeated(graph, leaving, is_simple=is_simple)
    others = {(index, at) for index, at, _ in graph.nodes()} - ahead
    unused = {output for output, place in consumers.items() if output[:2] in repeated and place in ahead - repeated}
    before = _runs(graph, upstream, leaving)
    last = before.pop((number, 0), (Node("null", node.labels_in),))
    after = _runs(graph, others | repeated, unused)
    after.setdefault((number, position + 1), (Node("null", (), node.labels_out),))
    places = sorted(after)
    return GraphCut(
        node,
        Graph((*before.values(), *_sinks(graph, leaving), last), graph.head),
        Graph((*(after[place] for place in places), *_sinks(graph, unused)), graph.head),
        places.index((number, position + 1)),
        next((at for at, place in enumerate(places) if place in repeated and _takes_any_stream(graph, place)), None),
    )


def _upstream(graph: Graph, start: Place) -> set[Place]:
    """The filters upstream of a filter; itself, too, if it is in a loop."""
    producers = {label: (index, at) for index, at, node in graph.nodes() for label in node.outputs}
    waiting = [start]
    seen: set[Place] = set()
    while waiting:
        index, at = waiting.pop()
        sources = [producers[label] for label in graph.chains[index][at].inputs if label in producers]
        if at:
            sources.append((index, at - 1))
        new = {*sources} - seen
        seen |= new
        waiting += new
    return seen


def _consumers(graph: Graph) -> dict[Output, Place | None]:
    """The filter that each output leads to; None if that is not in the graph."""
    by_label = {label: (index, at) for index, at, node in graph.nodes() for label in node.inputs}
    result: dict[Output, Place | None] = {}
    for index, at, node in graph.nodes():
        for pad, label in enumerate(node.outputs):
            result[index, at, pad] = by_label.get(label)
        if at + 1 < len(graph.chains[index]):
            result[index, at, len(node.outputs)] = (index, at + 1)
    return result


def _takes_any_stream(graph: Graph, place: Place) -> bool:
    """Whether a filter takes a stream that no label names."""
    index, at = place
    first = graph.chains[index][at]
    return at == 0 and not first.inputs and not _SOURCE.fullmatch(first.name)


def _repeated(graph: Graph, leaving: Set[Output], *, is_simple: bool) -> set[Place]:
    """The filters that both parts need. Raises UsageError if they cannot be repeated."""
    repeated: set[Place] = set()
    for index, at, pad in leaving:
        node = graph.chains[index][at]
        places = {(index, at), *_upstream(graph, (index, at))}
        names_no_input = not is_simple and any(_takes_any_stream(graph, place) for place in places)
        if names_no_input or not _sink(node, pad):
            remedy = "name its input in -filter_complex" if names_no_input else "repeat the filters in a second chain"
            raise UsageError(
                f"{NAME} comes after {node.body!r}, whose frames go elsewhere, too; {remedy}, such as [0:v]{node.body}"
            )
        repeated |= places
    return repeated


def _sink(node: Node, pad: int) -> str:
    """The filter that takes an output which is not used; empty if its type is not known."""
    if node.name == "concat":
        return "nullsink" if pad < _concatenated_videos(node) else "anullsink"
    return "nullsink" if node.name in _SPLITTERS else ""


def _concatenated_videos(node: Node) -> int:
    """The number of video outputs of a `concat`, whose options are `n`, `v` and `a`, by name or in that order."""
    values = (field.rpartition("=") for field in fields(node.arguments))
    options = {name.strip() or "nva"[at : at + 1]: value for at, (name, _, value) in enumerate(values)}
    count = options.get("v", "1").strip()
    return int(count) if count.isdecimal() else 1


def with_output(graph: Graph, label: str) -> Graph:
    """A simple graph whose output, of any label or none, has this label."""
    consumed = {name for _, _, node in graph.nodes() for name in node.inputs}
    for number, chain in enumerate(graph.chains):
        last = chain[-1]
        if unconsumed := [name for name in last.outputs if name not in consumed]:
            return replace(graph, chains=(*graph.chains, (Node.labelled("null", unconsumed, [label]),)))
        if not last.outputs and last.name not in _SINKS:
            named = (*chain, Node.labelled("null", (), [label]))
            return replace(graph, chains=(*graph.chains[:number], named, *graph.chains[number + 1 :]))
    raise UsageError(f"filter graph {str(graph)!r} has no output; let one of its filters have none behind it")


def _runs(graph: Graph, kept: Set[Place], unused: Set[Output]) -> dict[Place, tuple[Node, ...]]:
    """The parts of chains that consist of kept filters, by their first place; what is not used ends in a sink."""
    runs: dict[Place, tuple[Node, ...]] = {}
    for (_, is_kept), group in groupby(graph.nodes(), key=lambda item: (item[0], item[:2] in kept)):
        if not is_kept:
            continue
        items = [*group]
        index, at, last = items[-1]
        pad = len(last.outputs)
        tail = [Node(_sink(last, pad))] if (index, at, pad) in unused else []
        runs[items[0][:2]] = (*(node for _, _, node in items), *tail)
    return runs


def _sinks(graph: Graph, unused: Set[Output]) -> Iterator[tuple[Node, ...]]:
    """Chains that take outputs with labels."""
    for index, at, pad in sorted(unused):
        node = graph.chains[index][at]
        if pad < len(node.outputs):
            yield (Node.labelled(_sink(node, pad), [node.outputs[pad]]),)
