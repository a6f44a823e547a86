"""FFmpeg filter graphs: parsing, printing and changing. Pure.

Syntax: `[in]name@id=arguments[out]`, filters joined by `,`, chains by `;`, optionally `sws_flags=…;` first. Quoting is
undone twice, by the graph and by the filter, hence the two calls of `unescape`.
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
    """One filter, verbatim."""

    body: str
    """Name and arguments."""
    labels_in: tuple[str, ...] = ()
    """Input labels with brackets."""
    labels_out: tuple[str, ...] = ()
    """Output labels with brackets."""

    @classmethod
    def labelled(cls, body: str, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> Node:
        """A filter with labels given by name."""
        return cls(body, _with_brackets(inputs), _with_brackets(outputs))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input labels."""
        return tuple(_name(label) for label in self.labels_in)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the output labels."""
        return tuple(_name(label) for label in self.labels_out)

    @property
    def name(self) -> str:
        return re.split("[@=]", self.body.strip(), maxsplit=1)[0].strip()

    @property
    def arguments(self) -> str:
        """The text after the first `=`, with one level of quoting removed."""
        return unescape(self.body.partition("=")[2])

    def __str__(self) -> str:
        return "".join((*self.labels_in, self.body, *self.labels_out))


def _name(label: str) -> str:
    return label.strip()[1:-1].strip()


def _with_brackets(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"[{name}]" for name in names)


@dataclass(frozen=True)
class Graph:
    """Chains of filters."""

    chains: tuple[tuple[Node, ...], ...]
    head: str = ""
    """Text before the first filter, such as `sws_flags=…;`."""
    tail: str = ""
    """A trailing semicolon."""

    def __str__(self) -> str:
        return self.head + ";".join(",".join(map(str, chain)) for chain in self.chains) + self.tail

    def nodes(self) -> Iterator[tuple[int, int, Node]]:
        """All filters with their chain number and position."""
        for number, chain in enumerate(self.chains):
            for position, node in enumerate(chain):
                yield number, position, node


def parse(text: str) -> Graph:
    """Parses a filter graph. Raises UsageError."""
    head = match[0] if (match := _SWS.match(text)) else ""
    scan = _Scanner(text, len(head))
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


class _Scanner:
    """A position in a text."""

    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.position = position

    def node(self) -> Node:
        inputs = tuple(self._labels())
        body = self.text[self.position : (end := _token_end(self.text, self.position, "[],;"))]
        self.position = end
        if not body.strip():
            raise UsageError(
                f"filter graph {self.text!r} has no filter before character {end}; add one, or remove a separator"
            )
        return Node(body, inputs, tuple(self._labels()))

    def separator(self) -> str:
        """`,` or `;`."""
        mark = self.text[self.position]
        if mark not in ",;":
            raise UsageError(
                f"filter graph {self.text!r} has {mark!r} at {self.position}; separate filters with ',' or ';'"
            )
        self.position += 1
        return mark

    def rest_if_last(self) -> str | None:
        """The remaining text if no filter follows."""
        rest = self.text[self.position :]
        return rest if rest.strip(_SPACES) in {"", ";"} else None

    def _labels(self) -> Iterator[str]:
        while match := _LABEL.match(self.text, self.position):
            self.position = match.end()
            yield match[0]


def _token_end(text: str, at: int, ends: str) -> int:
    """End of the token at `at`: the first of `ends` that is neither quoted nor escaped."""
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


def unescape(text: str) -> str:
    """Removes one level of quoting: `'…'` is verbatim, elsewhere a backslash escapes the next character.

    Unquoted spaces at either end are removed.
    """
    matches = re.finditer(r"'([^']*)'?|\\(.)|(.)", text.lstrip(_SPACES), re.DOTALL)
    parts = [
        (plain, quoted or guarded or plain or "") for quoted, guarded, plain in (match.groups() for match in matches)
    ]
    while parts and parts[-1][0] and parts[-1][0] in _SPACES:
        parts.pop()
    return "".join(part for _, part in parts)


def escape(text: str, special: str) -> str:
    """Escapes quotes, backslashes, characters in `special`, and spaces at either end."""
    last = len(text) - 1
    return "".join(
        "\\" + character if character in "\\'" + special or (character in _SPACES and at in {0, last}) else character
        for at, character in enumerate(text)
    )


def fields(text: str) -> list[str]:
    """Splits arguments at colons, keeping quotes."""
    parts, at = [], 0
    while True:
        end = _token_end(text, at, ":")
        parts.append(text[at:end])
        if end == len(text):
            return parts
        at = end + 1


def mentions(text: str | None) -> bool:
    """Whether a text may be a graph that contains `adcvsr`."""
    return bool(text) and re.search(rf"(^|[\],;\s]){NAME}\b", text or "") is not None


def relabel(graph: Graph, new: Callable[[str], str]) -> Graph:
    """Renames the graph's external input labels."""
    own = {label for _, _, node in graph.nodes() for label in node.outputs}

    def renamed(node: Node) -> Node:
        return replace(node, labels_in=_with_brackets([name if name in own else new(name) for name in node.inputs]))

    return replace(graph, chains=tuple(tuple(map(renamed, chain)) for chain in graph.chains))


def prepend(graph: Graph, chain: int, inputs: Sequence[str], bodies: Sequence[str]) -> Graph:
    """Inserts filters before a chain; the first of them takes `inputs`."""
    nodes_after = graph.chains[chain]
    nodes = [Node(body) for body in bodies]
    if nodes:
        nodes[0] = Node.labelled(nodes[0].body, inputs)
    else:
        nodes_after = (
            replace(nodes_after[0], labels_in=(*_with_brackets(inputs), *nodes_after[0].labels_in)),
            *nodes_after[1:],
        )
    chains = [*graph.chains]
    chains[chain] = (*nodes, *nodes_after)
    return replace(graph, chains=tuple(chains))


def append(graph: Graph, body: str, outputs: Sequence[str]) -> Graph:
    """Appends a filter to the last chain."""
    *others, last = graph.chains
    return replace(graph, chains=(*others, (*last, Node.labelled(body, (), outputs))))
