"""Blank nodes get the labels that `rdf-canonize` gives them, which every verifier in JavaScript uses."""

from __future__ import annotations

import random
from typing import Any

import orjson
from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, Quad, RdfFormat, parse, serialize

from laurel.credentials.canonical import canonical_form
from laurel.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES, inline
from oracles.digital_bazaar import NodeProcess

Dataset = set[Quad]
P = NamedNode("urn:p")


def canonized(node: NodeProcess, datasets: list[Dataset]) -> list[str]:
    """What the other implementation makes of them."""
    texts = [(serialize(each, format=RdfFormat.N_QUADS) or b"").decode() for each in datasets]
    answer: list[str] = node.ask("canonize", datasets=texts)
    return answer


def lookalikes(draw: random.Random) -> Dataset:
    """Some statements, as a rule once more about other nodes, and as a rule something afar that tells the two apart."""
    here = draw.getrandbits(32)
    copies = draw.choice([1, 2, 2, 3])
    dataset = {quad for copy in range(copies) for quad in _statements(random.Random(here), str(copy))}
    for copy in range(draw.randint(0, copies)):
        dataset.add(Quad(BlankNode(f"n0-{copy}"), P, BlankNode(f"far-{copy}")))
        dataset.add(Quad(BlankNode(f"far-{copy}"), P, Literal(str(copy))))
    return dataset


def _statements(draw: random.Random, copy: str) -> Dataset:
    nodes = [BlankNode(f"n{number}-{copy}") for number in range(draw.randint(1, 4))]
    objects: list[Any] = [Literal("x"), NamedNode("urn:o"), *nodes, *nodes]
    graphs: list[Any] = [DefaultGraph(), BlankNode(f"g0-{copy}"), BlankNode(f"g1-{copy}"), nodes[0]]
    predicates = [P, NamedNode("urn:q")]
    return {
        Quad(draw.choice(nodes), draw.choice(predicates), draw.choice(objects), draw.choice(graphs))
        for _ in range(draw.randint(1, 5))
    }


def test_datasets_in_which_much_looks_alike(node: NodeProcess) -> None:
    draw = random.Random(10)
    datasets = [lookalikes(draw) for _ in range(400)]
    for dataset, theirs in zip(datasets, canonized(node, datasets), strict=True):
        assert canonical_form(dataset).decode() == theirs


def test_a_presentation_of_credentials_with_an_equal_part(node: NodeProcess) -> None:
    # Each statement about the alignment links it to the graph of its credential once more.
    alignment = {"type": "Alignment", "targetName": "Welding", "targetUrl": "https://skills.example/welding"}
    achievement = {"type": "Achievement", "id": "https://academy.example/welding", "alignment": alignment}
    credentials = [
        {
            "@context": [CREDENTIALS_V2, OPEN_BADGES],
            "id": f"urn:uuid:{number}",
            "type": ["VerifiableCredential"],
            "credentialSubject": {"type": "AchievementSubject", "achievement": achievement},
            "proof": {"type": "DataIntegrityProof", "proofValue": f"z{number}"},
        }
        for number in range(6)
    ]
    presentation = {"@context": [CREDENTIALS_V2], "type": "VerifiablePresentation", "verifiableCredential": credentials}
    dataset = set(parse(orjson.dumps(inline(presentation)), format=RdfFormat.JSON_LD))
    assert canonical_form(dataset).decode() == canonized(node, [dataset])[0]
