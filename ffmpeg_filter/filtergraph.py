"""FFmpeg's filter graphs: parsed, printed, and cut at `adcvsr`. Pure.

The grammar: `[in]name@id=arguments[out]`, chained by `,`, chains apart by `;`, perhaps `sws_flags=…;` first. Quotes and
backslashes are read twice, once by the graph and once by the filter, for which `unescaped` is called twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from vsadcvsr.errors import UsageError

NAME = "adcvsr"
_SWS = re.compile(r"\s*sws_flags=[^;]*;")
_LABEL = re.compile(r"\s*\[([^\[\]]*)\]\s*")


@dataclass(frozen=True)
class Node:
    """One filter. `body` is its name and arguments as they stand; labels are without brackets."""

    body: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return re.split("[@=]", self.body.strip(), maxsplit=1)[0].strip()

    @property
    def arguments(self) -> str:
        """What follows the first `=`, with the graph's own quoting undone."""
        return unescaped(self.body.partition("=")[2])

    def __str__(self) -> str:
        return "".join(f"[{label}]" for label in self.inputs) + self.body + "".join(f"[{one}]" for one in self.outputs)


@dataclass(frozen=True)
class Graph:
    """Chains of filters. `head` is what stands before the first, such as `sws_flags=…;`."""

    chains: tuple[tuple[Node, ...], ...]
    head: str = ""

    def __str__(self) -> str:
        return self.head + ";".join(",".join(map(str, chain)) for chain in self.chains)

    def nodes(self) -> Iterator[tuple[int, int, Node]]:
        """Each filter with the number of its chain and its place in it."""
        for number, chain in enumerate(self.chains):
            for place, node in enumerate(chain):
                yield number, place, node


@dataclass(frozen=True)
class Cut:
    """A graph without its `adcvsr`: what comes before it, and what remains.

    `before` ends in the filter that stood before it; its last chain has an open end. In `after`, the chain that it was
    in begins where it stood, with an open beginning.
    """

    node: Node
    before: Graph
    after: Graph
    after_chain: int
    """The number of that chain in `after`."""


def parse(text: str) -> Graph:
    """The graph of a text. Raises UsageError where the text is none."""
    head = found[0] if (found := _SWS.match(text)) else ""
    scan = _Scan(text, len(head))
    chains: list[tuple[Node, ...]] = []
    chain: list[Node] = []
    while True:
        chain.append(scan.node())
        end = scan.separator()
        if end != ",":
            chains.append(tuple(chain))
            chain = []
        if not end or (end == ";" and scan.is_done()):
            return Graph(tuple(chains), head)


class _Scan:
    """A place in a text."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def node(self) -> Node:
        inputs = tuple(self._labels())
        body = self.text[self.at : (end := _token_end(self.text, self.at, "[,;"))]
        self.at = end
        if not body.strip():
            raise UsageError.of("filter graph", self.text, "a filter's name between separators", f"at {end}")
        return Node(body, inputs, tuple(self._labels()))

    def separator(self) -> str:
        """`,` or `;`, or nothing at the end."""
        mark = self.text[self.at : self.at + 1]
        if mark and mark not in ",;":
            raise UsageError.of("filter graph", self.text, "`,` or `;` between filters", f"at {self.at}")
        self.at += len(mark)
        return mark

    def is_done(self) -> bool:
        return not self.text[self.at :].strip()

    def _labels(self) -> Iterator[str]:
        while found := _LABEL.match(self.text, self.at):
            self.at = found.end()
            yield found[1]


def _token_end(text: str, at: int, ends: str) -> int:
    """Where a token ends that begins at `at`: at one of `ends` that is neither quoted nor escaped."""
    quoted = False
    while at < len(text):
        if text[at] == "'":
            quoted = not quoted
        elif text[at] == "\\" and not quoted:
            at += 1
        elif text[at] in ends and not quoted:
            return at
        at += 1
    return len(text)


def unescaped(text: str) -> str:
    """One level of quoting undone: `'…'` is taken as it is, elsewhere a backslash guards the next character."""
    found = re.finditer(r"'([^']*)'?|\\(.)|(.)", text, re.DOTALL)
    return "".join(next(part for part in (*one.groups(), "") if part is not None) for one in found)


def escaped(text: str, special: str) -> str:
    """The text with a backslash before quotes, backslashes and `special`."""
    return re.sub(rf"[\\'{re.escape(special)}]", lambda found: "\\" + found[0], text)


def fields(text: str) -> list[str]:
    """An argument string divided at its colons, quoting left as it is."""
    parts, at = [], 0
    while True:
        end = _token_end(text, at, ":")
        parts.append(text[at:end])
        if end == len(text):
            return parts
        at = end + 1


def mentions(text: str | None) -> bool:
    """Whether a text may be a graph with our filter in it."""
    return bool(text) and re.search(rf"(^|[\],;\s]){NAME}\b", text or "") is not None


def cut(graph: Graph) -> Cut | None:
    """The graph cut at its one `adcvsr`; None without one. Raises UsageError where that cannot be."""
    places = [(number, place, node) for number, place, node in graph.nodes() if node.name == NAME]
    if not places:
        return None
    if len(places) > 1:
        raise UsageError.of(NAME, f"{len(places)} times in one graph", "once", "chain two commands with a pipe")
    number, place, node = places[0]
    if len(node.inputs) > 1 or len(node.outputs) > 1:
        raise UsageError.of(NAME, str(node), "one input and one output")
    if any(re.match(r"\d+:a", label) for label in node.inputs):
        raise UsageError.of(NAME, f"on audio, [{node.inputs[0]}]", "video")
    upstream = _upstream(graph, number, place, node)
    before = [
        tuple(one for at, one in enumerate(chain) if (index, at) in upstream)
        for index, chain in enumerate(graph.chains)
        if index != number
    ]
    own = graph.chains[number][:place] or (Node("null", node.inputs),)
    after, after_chain = _after(graph, number, place, node, upstream)
    return Cut(node, Graph((*filter(None, before), own), graph.head), after, after_chain)


def _after(graph: Graph, number: int, place: int, node: Node, upstream: set[tuple[int, int]]) -> tuple[Graph, int]:
    chains: list[tuple[Node, ...]] = []
    own = 0
    for index, chain in enumerate(graph.chains):
        if index == number:
            own = len(chains)
            rest = chain[place + 1 :]
            chains.append(rest or (Node("null", (), node.outputs),))
        elif kept := tuple(one for at, one in enumerate(chain) if (index, at) not in upstream):
            chains.append(kept)
    return Graph(tuple(chains), graph.head), own


def _upstream(graph: Graph, number: int, place: int, node: Node) -> set[tuple[int, int]]:
    """The filters that the pictures pass before, by chain and place. Raises UsageError where others need them too."""
    makers = {label: (index, at) for index, at, one in graph.nodes() for label in one.outputs}
    waiting = [(number, place)]
    seen: set[tuple[int, int]] = set()
    while waiting:
        index, at = waiting.pop()
        one = graph.chains[index][at]
        sources = [makers[label] for label in one.inputs if label in makers]
        if at:
            sources.append((index, at - 1))
        if (number, place) in sources:
            raise UsageError.of(NAME, "in a loop of labels", "a graph without loops")
        new = [source for source in sources if source not in seen]
        seen.update(new)
        waiting += new
    _check_nothing_else_needs(graph, seen, (number, place))
    return seen


def _check_nothing_else_needs(graph: Graph, upstream: set[tuple[int, int]], own: tuple[int, int]) -> None:
    takers = {label: (index, at) for index, at, one in graph.nodes() for label in one.inputs}
    for index, at in upstream:
        one = graph.chains[index][at]
        follower = (index, at + 1) if at + 1 < len(graph.chains[index]) else None
        for taker in [*(takers.get(label) for label in one.outputs), follower]:
            if (taker is None and one.outputs) or (taker and taker not in upstream and taker != own):
                raise UsageError.of(
                    NAME, f"behind {one.body!r}, whose pictures go elsewhere too", "filters of its own before it",
                    "write them out in a second chain from the input",
                )  # fmt: skip


def relabelled(graph: Graph, new: Callable[[str], str]) -> Graph:
    """The graph with other names for its inputs."""
    chains = tuple(
        tuple(replace(node, inputs=tuple(map(new, node.inputs))) for node in chain) for chain in graph.chains
    )
    return replace(graph, chains=chains)


def begun(graph: Graph, chain: int, inputs: Sequence[str], bodies: Sequence[str]) -> Graph:
    """The graph with filters put before a chain, the first of which takes `inputs`."""
    old = graph.chains[chain]
    nodes = [Node(body) for body in bodies]
    if nodes:
        nodes[0] = replace(nodes[0], inputs=tuple(inputs))
    else:
        old = (replace(old[0], inputs=(*inputs, *old[0].inputs)), *old[1:])
    chains = [*graph.chains]
    chains[chain] = (*nodes, *old)
    return replace(graph, chains=tuple(chains))


def ended(graph: Graph, body: str, outputs: Sequence[str]) -> Graph:
    """The graph with a filter put behind its last chain."""
    *others, last = graph.chains
    return replace(graph, chains=(*others, (*last, Node(body, (), tuple(outputs)))))
