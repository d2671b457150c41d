"""RDFC-1.0: the canonical labels of a dataset's blank nodes, in a bounded number of steps.

RDFC-1.0 takes exponential time on *poison graphs*: blank nodes that cannot be told apart by their own statements
and that are linked to each other, so that every order of them must be tried. A kilobyte is enough. Size and number of
nodes do not tell them from datasets that take no time, so the steps are counted as they are taken.

pyoxigraph canonicalises too, without a bound. It also labels differently where blank nodes that look alike are linked
to another by several statements, as two equal alignments are, each within the graph of its credential, in a
presentation: it follows such a link once, where §4.8.3 step 3 and the implementations in JavaScript and Python
list it once for each statement. Signatures over such a presentation would not verify elsewhere.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pyoxigraph import BlankNode, DefaultGraph, Quad

# Some tens of milliseconds. The hardest graphs that the test suite of RDFC-1.0 wants done take 6,168 steps.
MAX_STEPS = 10_000
# How far one goes from a node to the next. Each level is three calls deep.
MAX_DEPTH = 64


class TooMuchWork(Exception):  # noqa: N818 - says what is wrong
    """Canonicalisation would take more steps than are allowed."""


def canonical_labels(
    quads: Iterable[Quad], hash_name: str = "sha256", *, limit: int = MAX_STEPS
) -> dict[BlankNode, BlankNode]:
    """Every blank node with the one that has its canonical label (RDFC-1.0 §4.4.3 steps 1 to 5).

    Raises TooMuchWork as soon as it takes more than `limit` steps: orders tried, and nodes looked at in each.
    """
    issued = _Walk(quads, hash_name, limit).labels()
    return {node: BlankNode(label.removeprefix("_:")) for node, label in issued.items()}


class _Issuer:
    """The identifier issuer of §4.5."""

    def __init__(self, prefix: str, issued: dict[BlankNode, str] | None = None) -> None:
        self.prefix = prefix
        self.issued = dict(issued or {})

    def copy(self) -> "_Issuer":
        return _Issuer(self.prefix, self.issued)

    def issue(self, node: BlankNode) -> str:
        return self.issued.setdefault(node, f"_:{self.prefix}{len(self.issued)}")


def _as_seen_from(node: BlankNode, terms: tuple[Any, ...]) -> str:
    """A statement as the hash of the first degree has it (§4.6.3): the node itself is _:a, any other _:z."""
    written = [("_:a" if term == node else "_:z") if type(term) is BlankNode else str(term) for term in terms]
    if type(terms[-1]) is DefaultGraph:
        del written[-1]
    return " ".join(written) + " .\n"


def _orders(nodes: list[BlankNode]) -> Iterator[tuple[BlankNode, ...]]:
    """Every order of `nodes`, each once: those that are listed several times cannot be told apart."""
    listed = list(dict.fromkeys(nodes))
    number = {node: index for index, node in enumerate(listed)}
    order = sorted(number[node] for node in nodes)
    while True:
        yield tuple(listed[index] for index in order)
        # The next in lexicographic order: where it last rises, the least that is greater comes next.
        rise = next((at for at in range(len(order) - 2, -1, -1) if order[at] < order[at + 1]), None)
        if rise is None:
            return
        greater = next(at for at in range(len(order) - 1, rise, -1) if order[at] > order[rise])
        order[rise], order[greater] = order[greater], order[rise]
        order[rise + 1 :] = order[:rise:-1]


class _Walk:
    def __init__(self, quads: Iterable[Quad], hash_name: str, limit: int) -> None:
        self.hash = getattr(hashlib, hash_name)
        self.limit = limit
        self.steps = 0
        self.depth = 0
        self.quads: dict[BlankNode, list[Quad]] = defaultdict(list)
        self.canonical = _Issuer("c14n")
        lines: dict[BlankNode, list[str]] = defaultdict(list)
        # A dataset is a set, and what two places of a document state it states once.
        for quad in dict.fromkeys(quads):
            terms = tuple(quad)
            for node in {term for term in terms if type(term) is BlankNode}:
                self.quads[node].append(quad)
                lines[node].append(_as_seen_from(node, terms))
        self.first_degree = {node: self._digest("".join(sorted(seen))) for node, seen in lines.items()}

    def labels(self) -> dict[BlankNode, str]:
        """§4.4.3, steps 3 to 5."""
        alike: dict[str, list[BlankNode]] = defaultdict(list)
        for node, digest in self.first_degree.items():
            alike[digest].append(node)
        for digest in sorted(alike):
            if len(alike[digest]) == 1:
                self.canonical.issue(alike[digest][0])
        for digest in sorted(alike):
            results = []
            for node in alike[digest]:
                if node not in self.canonical.issued:
                    issuer = _Issuer("b")
                    issuer.issue(node)
                    results.append(self._hash_n_degree(node, issuer))
            for _, issuer in sorted(results, key=lambda result: result[0]):
                for node in issuer.issued:
                    self.canonical.issue(node)
        return self.canonical.issued

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self.limit:
            raise TooMuchWork

    def _digest(self, text: str) -> str:
        return str(self.hash(text.encode()).hexdigest())

    def _hash_related(self, related: BlankNode, quad: Quad, issuer: _Issuer, position: str) -> str:
        """§4.7.3."""
        name = self.canonical.issued.get(related) or issuer.issued.get(related) or self.first_degree[related]
        predicate = "" if position == "g" else str(quad.predicate)
        return self._digest(position + predicate + name)

    def _hash_n_degree(self, node: BlankNode, issuer: _Issuer) -> tuple[str, _Issuer]:
        """§4.8.3."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooMuchWork
        groups: dict[str, list[BlankNode]] = defaultdict(list)
        for quad in self.quads[node]:
            for position, related in (("s", quad.subject), ("o", quad.object), ("g", quad.graph_name)):
                if isinstance(related, BlankNode) and related != node:
                    self._step()
                    groups[self._hash_related(related, quad, issuer, position)].append(related)
        data = ""
        for digest in sorted(groups):
            path, issuer = self._shortest_path(groups[digest], issuer)
            data += digest + path
        self.depth -= 1
        return self._digest(data), issuer

    def _shortest_path(self, related: list[BlankNode], issuer: _Issuer) -> tuple[str, _Issuer]:
        """§4.8.3 steps 5.2 to 5.4, over every order of nodes that look alike from here."""
        chosen: tuple[str, _Issuer] | None = None
        for order in _orders(related):
            found = self._path(order, issuer.copy(), chosen[0] if chosen else "")
            if found is not None and (chosen is None or found[0] < chosen[0]):
                chosen = found
        assert chosen is not None
        return chosen

    def _path(self, order: tuple[BlankNode, ...], issuer: _Issuer, best: str) -> tuple[str, _Issuer] | None:
        path = ""
        recursion = []
        for node in order:
            self._step()
            if node in self.canonical.issued:
                path += self.canonical.issued[node]
            else:
                if node not in issuer.issued:
                    recursion.append(node)
                path += issuer.issue(node)
            if best and len(path) >= len(best) and path > best:
                return None
        for node in recursion:
            digest, deeper = self._hash_n_degree(node, issuer)
            path += issuer.issue(node) + f"<{digest}>"
            issuer = deeper
            if best and len(path) >= len(best) and path > best:
                return None
        return path, issuer
