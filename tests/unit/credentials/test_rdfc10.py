"""RDFC-1.0: the published vectors, and that its work is foreseen and bounded."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from pyoxigraph import BlankNode, Literal, NamedNode, Quad, RdfFormat, parse

from laurel.credentials.canonical import canonical_form
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.rdfc10 import MAX_DEPTH, TooMuchWork, canonical_labels
from support.cpu import cpu_seconds

VECTORS = Path(__file__).parents[2] / "vectors" / "rdfc10"
FORMS = sorted(path.name.partition("-")[0] for path in VECTORS.glob("*-rdfc10.nq"))
MAPS = sorted(path.name.partition("-")[0] for path in VECTORS.glob("*-rdfc10map.json"))
HASHES = {"test075": "sha384"}
P = NamedNode("http://example.com/p")
Edges = list[tuple[int, int]]


def read(name: str) -> list[Quad]:
    return list(parse((VECTORS / f"{name}-in.nq").read_bytes(), format=RdfFormat.N_QUADS))


def graph(edges: Edges) -> list[Quad]:
    return [Quad(BlankNode(f"n{start}"), P, BlankNode(f"n{end}")) for start, end in edges]


def clique(size: int, *, loops: bool = False) -> Edges:
    return [(start, end) for start in range(size) for end in range(size) if loops or start != end]


@pytest.mark.parametrize("name", FORMS)
def test_the_published_datasets(name: str) -> None:
    form = canonical_form(read(name), HASHES.get(name, "sha256"))
    assert form == (VECTORS / f"{name}-rdfc10.nq").read_bytes()


@pytest.mark.parametrize("name", MAPS)
def test_the_published_labels(name: str) -> None:
    labels = canonical_labels(read(name), HASHES.get(name, "sha256"))
    published = json.loads((VECTORS / f"{name}-rdfc10map.json").read_text())
    assert {node.value: label.value for node, label in labels.items()} == published


def test_the_published_poison_is_refused() -> None:
    with pytest.raises(MalformedCredential, match="refer to each other"):
        canonical_form(read("test074"))


def test_the_vectors_are_the_published_ones() -> None:
    row = r"^\| (\S+\.(?:nq|json)) \| \d+ \| ([0-9a-f]{64}) \|$"
    rows = re.findall(row, (VECTORS / "SOURCES.md").read_text(), re.M)
    assert {file: hashlib.sha256((VECTORS / file).read_bytes()).hexdigest() for file, _ in rows} == dict(rows)
    assert len(rows) == len(list(VECTORS.iterdir())) - 1
    assert (len(FORMS), len(MAPS)) == (64, 21)


def test_what_is_escaped() -> None:
    # RDFC-1.0 §5 "Canonical N-Quads": eight characters by name, the other controls by number, nothing else.
    text = "".join(map(chr, range(0x20))) + "\"\\\x7f\u0080\u2028\U0001f600'"
    statement = Quad(NamedNode("urn:s"), NamedNode("urn:p"), Literal(text))
    (line,) = canonical_form([statement]).decode().split("\n")[:-1]
    named = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r"}
    controls = "".join(f"\\{named[code]}" if code in named else f"\\u{code:04X}" for code in range(0x20))
    # As it is hashed, too, which decides the labels.
    assert line == f"<urn:s> <urn:p> {statement.object} ."
    assert line == f'<urn:s> <urn:p> "{controls}\\"\\\\\\u007F\u0080\u2028\U0001f600\'" .'


@pytest.mark.parametrize(
    "edges",
    [
        clique(10, loops=True),  # test 074 of the RDFC-1.0 suite
        clique(6),
        clique(30),
        clique(99),
        [(start, 100 + end) for start in range(5) for end in range(5)],
        [(100 * hub, 100 * hub + spoke) for hub in (1, 2) for spoke in range(1, 10)],
        [(n, (n + step) % 60) for n in range(60) for step in (1, -1)],
        [(n, (n + 1) % 900) for n in range(900)],
        # Petersen's graph, in which every node sees the same
        [
            pair
            for n in range(5)
            for a, b in ((n, (n + 1) % 5), (n, n + 5), (n + 5, (n + 2) % 5 + 5))
            for pair in ((a, b), (b, a))
        ],
    ],
    ids=lambda edges: f"{len(edges)} statements",
)
def test_poison_is_refused_in_no_time(edges: Edges) -> None:
    def refuse() -> None:
        with pytest.raises(MalformedCredential, match="refer to each other"):
            canonical_form(graph(edges))

    assert cpu_seconds(refuse) < 0.1


def test_a_long_chain_of_nodes_that_look_alike_does_not_exhaust_the_stack() -> None:
    chain = [(n, n + 1) for n in range(900)]
    with pytest.raises(TooMuchWork):
        canonical_labels(graph([*chain, *((start + 1000, end + 1000) for start, end in chain)]), limit=10**9)
    short = graph([(n, (n + 1) % MAX_DEPTH) for n in range(MAX_DEPTH)])
    assert len(canonical_labels(short, limit=10**9)) == MAX_DEPTH


def test_many_statements_that_look_alike_from_their_graph_neither_exhaust_the_stack_nor_take_long() -> None:
    # As two equal credentials without ids in a presentation, each in a graph of its own.
    twins = [
        Quad(BlankNode(f"n{twin}"), P, Literal(str(number)), BlankNode(f"g{twin}"))
        for twin in range(2)
        for number in range(1000)
    ]
    links = [Quad(NamedNode("urn:x"), P, BlankNode(f"g{twin}")) for twin in range(2)]

    def label() -> None:
        assert len(canonical_labels([*twins, *links])) == 4

    assert cpu_seconds(label) < 0.1
