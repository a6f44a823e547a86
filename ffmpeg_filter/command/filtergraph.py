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
_LABEL = re.compile(r"\s*\[[^\[\]]*\]\s*")
_SPACES = " \n\t\r"


@dataclass(frozen=True)
class Node:
    """One filter: its name and arguments, and the labels around it, all as they stand."""

    body: str
    labels_in: tuple[str, ...] = ()
    labels_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: str, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> Node:
        """The filter with labels given by their names."""
        return cls(body, _bracketed(inputs), _bracketed(outputs))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the labels before it."""
        return tuple(_name(label) for label in self.labels_in)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(_name(label) for label in self.labels_out)

    @property
    def name(self) -> str:
        return re.split("[@=]", self.body.strip(), maxsplit=1)[0].strip()

    @property
    def arguments(self) -> str:
        """What follows the first `=`, with the graph's own quoting undone."""
        return unescaped(self.body.partition("=")[2])

    def __str__(self) -> str:
        return "".join((*self.labels_in, self.body, *self.labels_out))


def _name(label: str) -> str:
    return label.strip()[1:-1].strip()


def _bracketed(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"[{name}]" for name in names)


@dataclass(frozen=True)
class Graph:
    """Chains of filters. `head` is what stands before the first, such as `sws_flags=…;`, `tail` a last semicolon."""

    chains: tuple[tuple[Node, ...], ...]
    head: str = ""
    tail: str = ""

    def __str__(self) -> str:
        return self.head + ";".join(",".join(map(str, chain)) for chain in self.chains) + self.tail

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
        tail = scan.rest_if_last()
        if tail is None and scan.separator() == ",":
            continue
        chains.append(tuple(chain))
        chain = []
        if tail is not None:
            return Graph(tuple(chains), head, tail)


class _Scan:
    """A place in a text."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def node(self) -> Node:
        inputs = tuple(self._labels())
        body = self.text[self.at : (end := _token_end(self.text, self.at, "[],;"))]
        self.at = end
        if not body.strip():
            raise UsageError.of("filter graph", self.text, "a filter's name between separators", f"at {end}")
        return Node(body, inputs, tuple(self._labels()))

    def separator(self) -> str:
        """`,` or `;`."""
        mark = self.text[self.at]
        if mark not in ",;":
            raise UsageError.of("filter graph", self.text, "`,` or `;` between filters", f"at {self.at}")
        self.at += 1
        return mark

    def rest_if_last(self) -> str | None:
        """What is left if no filter is."""
        rest = self.text[self.at :]
        return rest if rest.strip(_SPACES) in {"", ";"} else None

    def _labels(self) -> Iterator[str]:
        while found := _LABEL.match(self.text, self.at):
            self.at = found.end()
            yield found[0]


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
    """One level of quoting undone: `'…'` is taken as it is, elsewhere a backslash guards the next character.

    Spaces at either end go, unless they are quoted or guarded.
    """
    found = re.finditer(r"'([^']*)'?|\\(.)|(.)", text.lstrip(_SPACES), re.DOTALL)
    parts = [(plain, quoted or guarded or plain or "") for quoted, guarded, plain in (one.groups() for one in found)]
    while parts and parts[-1][0] and parts[-1][0] in _SPACES:
        parts.pop()
    return "".join(part for _, part in parts)


def escaped(text: str, special: str) -> str:
    """The text with a backslash before quotes, backslashes, `special`, and spaces at either end."""
    last = len(text) - 1
    return "".join(
        "\\" + one if one in "\\'" + special or (one in _SPACES and at in {0, last}) else one
        for at, one in enumerate(text)
    )


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
    follows, leads = place > 0, place + 1 < len(graph.chains[number])
    if len(node.inputs) + follows > 1 or len(node.outputs) + leads > 1:
        raise UsageError.of(NAME, str(node), "one input and one output")
    if any(re.match(r"\d+:a", label) for label in node.inputs):
        raise UsageError.of(NAME, f"on audio, [{node.inputs[0]}]", "video")
    upstream = _upstream(graph, number, place, node)
    before = [
        tuple(one for at, one in enumerate(chain) if (index, at) in upstream)
        for index, chain in enumerate(graph.chains)
        if index != number
    ]
    own = graph.chains[number][:place] or (Node("null", node.labels_in),)
    after, after_chain = _after(graph, number, place, node, upstream)
    return Cut(node, Graph((*filter(None, before), own), graph.head), after, after_chain)


def _after(graph: Graph, number: int, place: int, node: Node, upstream: set[tuple[int, int]]) -> tuple[Graph, int]:
    chains: list[tuple[Node, ...]] = []
    own = 0
    for index, chain in enumerate(graph.chains):
        if index == number:
            own = len(chains)
            rest = chain[place + 1 :]
            chains.append(rest or (Node("null", (), node.labels_out),))
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
        following = [takers.get(label) for label in one.outputs]
        if at + 1 < len(graph.chains[index]):
            following.append((index, at + 1))
        if any(taker != own and taker not in upstream for taker in following):
            raise UsageError.of(
                NAME, f"behind {one.body!r}, whose pictures go elsewhere too", "filters of its own before it",
                "write them out in a second chain from the input",
            )  # fmt: skip


def relabelled(graph: Graph, new: Callable[[str], str]) -> Graph:
    """The graph with other names for those of its inputs that are not its own filters' outputs."""
    own = {label for _, _, node in graph.nodes() for label in node.outputs}

    def renamed(node: Node) -> Node:
        return replace(node, labels_in=_bracketed([name if name in own else new(name) for name in node.inputs]))

    return replace(graph, chains=tuple(tuple(map(renamed, chain)) for chain in graph.chains))


def begun(graph: Graph, chain: int, inputs: Sequence[str], bodies: Sequence[str]) -> Graph:
    """The graph with filters put before a chain, the first of which takes `inputs`."""
    old = graph.chains[chain]
    nodes = [Node(body) for body in bodies]
    if nodes:
        nodes[0] = Node.of(nodes[0].body, inputs)
    else:
        old = (replace(old[0], labels_in=(*_bracketed(inputs), *old[0].labels_in)), *old[1:])
    chains = [*graph.chains]
    chains[chain] = (*nodes, *old)
    return replace(graph, chains=tuple(chains))


def ended(graph: Graph, body: str, outputs: Sequence[str]) -> Graph:
    """The graph with a filter put behind its last chain."""
    *others, last = graph.chains
    return replace(graph, chains=(*others, (*last, Node.of(body, (), outputs))))
