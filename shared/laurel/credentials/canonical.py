"""RDF Dataset Canonicalization (RDFC-1.0) of a JSON-LD document, with the work bounded.

RDFC-1.0 takes exponential time on *poison graphs*: blank nodes that cannot be told apart by their own
statements and that are linked to each other, so that every order of them must be tried. A kilobyte is enough.
The bounds, each checked before the work it bounds:

* 1 MiB of JSON of 20,000 values, nested at most 64 deep, with at most 32 context references;
* 10,000 statements and 1,000 blank nodes;
* 6 *entangled* blank nodes, that is, ones that share their first-degree hash (§4.6) with another and are
  linked to one that does too. Six take at most some tens of milliseconds, each further one ten times more.
  Blank nodes that merely look alike, such as two equal results of one course, are not linked and cost nothing.
"""

from collections import defaultdict
from typing import Any

import orjson
from pyoxigraph import BlankNode, CanonicalizationAlgorithm, Dataset, Quad, RdfFormat, parse, serialize

from laurel.credentials.contexts import inline_with
from laurel.credentials.contexts.pruning import pruned, used_names
from laurel.credentials.documents import MAX_BYTES, check_size
from laurel.credentials.errors import MalformedCredential

__all__ = ["MAX_BLANK_NODES", "MAX_BYTES", "MAX_ENTANGLED", "MAX_QUADS", "canonicalize", "check_size"]

MAX_QUADS = 10_000
MAX_BLANK_NODES = 1_000
MAX_ENTANGLED = 6


_ALGORITHMS = {
    "sha256": CanonicalizationAlgorithm.RDFC_1_0,
    "sha384": CanonicalizationAlgorithm.RDFC_1_0_SHA_384,
}


def canonicalize(document: dict[str, Any], hash_name: str = "sha256") -> bytes:
    """The canonical N-Quads of `document`, sorted, with the bundled contexts in place of their URLs.

    The hash (`sha256` or `sha384`) decides how blank nodes are numbered (RDFC-1.0 §4.8).
    JSON-LD drops what it does not understand: an undefined term, a relative IRI. Whoever signs or verifies
    must refuse such a document first (`terms.check_terms`). Raises MalformedCredential.
    """
    check_size(document)
    used = used_names(document)
    try:
        dataset = _dataset(orjson.dumps(inline_with(document, lambda url: pruned(url, used))))
    except (SyntaxError, TypeError) as error:
        raise MalformedCredential(f"The document is not valid JSON-LD: {error}.", code="PARSING_ERROR") from error
    dataset.canonicalize(_ALGORITHMS[hash_name])
    lines: bytes = serialize(dataset, format=RdfFormat.N_QUADS) or b""
    # Not splitlines(): a literal may hold U+2028 and its like, which N-Quads does not escape.
    return b"".join(line + b"\n" for line in sorted(lines.split(b"\n")) if line)


def _dataset(data: bytes) -> Dataset:
    quads: list[Quad] = []
    for quad in parse(data, format=RdfFormat.JSON_LD):
        quads.append(quad)
        if len(quads) > MAX_QUADS:
            raise MalformedCredential(f"The document makes more than {MAX_QUADS} statements.")
    if not quads:
        raise MalformedCredential("The document states nothing: it has no terms that its contexts define.")
    _refuse_poison(quads)
    return Dataset(quads)


def _refuse_poison(quads: list[Quad]) -> None:
    mentions: dict[BlankNode, list[str]] = defaultdict(list)
    linked: list[set[BlankNode]] = []
    for quad in quads:
        blank = {term for term in (quad.subject, quad.object, quad.graph_name) if isinstance(term, BlankNode)}
        for node in blank:
            mentions[node].append(_as_seen_from(node, quad))
        if len(blank) > 1:
            linked.append(blank)
    if len(mentions) > MAX_BLANK_NODES:
        raise MalformedCredential(f"The document has more than {MAX_BLANK_NODES} objects without an id; give them ids.")
    if linked and len(_entangled(mentions, linked)) > MAX_ENTANGLED:
        raise MalformedCredential(
            "The document has too many objects that differ in nothing and refer to each other; give them ids."
        )


def _as_seen_from(node: BlankNode, quad: Quad) -> str:
    # RDFC-1.0 §4.6.3: the node itself is _:a, every other blank node _:z.
    def term(value: Any) -> str:
        if isinstance(value, BlankNode):
            return "_:a" if value == node else "_:z"
        return str(value)

    return " ".join(term(value) for value in (quad.subject, quad.predicate, quad.object, quad.graph_name))


def _entangled(mentions: dict[BlankNode, list[str]], linked: list[set[BlankNode]]) -> set[BlankNode]:
    groups: dict[tuple[str, ...], list[BlankNode]] = defaultdict(list)
    for node, seen in mentions.items():
        groups[tuple(sorted(seen))].append(node)
    alike = {node for group in groups.values() if len(group) > 1 for node in group}
    entangled: set[BlankNode] = set()
    for nodes in linked:
        if len(nodes & alike) > 1:
            entangled |= nodes & alike
    return entangled
