"""RDF Dataset Canonicalization (RDFC-1.0) of a JSON-LD document, with the work bounded.

The bounds, each checked before the work it bounds:

* 1 MiB of JSON of 20,000 values, nested at most 64 deep, with at most 32 context references;
* 10,000 statements, and 1,000 blank nodes with 2,000 links between them;
* 10,000 steps of the part of RDFC-1.0 that takes exponential time (`rdfc10`).
"""

from collections.abc import Iterable
from typing import Any

import orjson
from pyoxigraph import BlankNode, Quad, RdfFormat, parse, serialize

from laurel.credentials.contexts import inline_with
from laurel.credentials.contexts.pruning import pruned, used_names
from laurel.credentials.documents import MAX_BYTES, check_size
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.rdfc10 import TooMuchWork, canonical_labels

__all__ = ["MAX_BLANK_NODES", "MAX_BYTES", "MAX_LINKS", "MAX_QUADS", "canonical_form", "canonicalize", "check_size"]

MAX_QUADS = 10_000
MAX_BLANK_NODES = 1_000
# Between two of them. An object within another makes one, an item of a list two.
MAX_LINKS = 2_000


def canonicalize(document: dict[str, Any], hash_name: str = "sha256") -> bytes:
    """The canonical N-Quads of `document`, sorted, with the bundled contexts in place of their URLs.

    The hash (`sha256` or `sha384`) decides how blank nodes are numbered (RDFC-1.0 §4.8).
    JSON-LD drops what it does not understand: an undefined term, a relative IRI. Whoever signs or verifies
    must refuse such a document first (`terms.check_terms`). Raises MalformedCredential.
    """
    check_size(document)
    used = used_names(document)
    data = orjson.dumps(inline_with(document, lambda url: pruned(url, used)))
    try:
        canonical = canonical_form(parse(data, format=RdfFormat.JSON_LD), hash_name)
    except SyntaxError as error:
        raise MalformedCredential(f"The document is not valid JSON-LD: {error}.", code="PARSING_ERROR") from error
    if not canonical:
        raise MalformedCredential("The document states nothing: it has no terms that its contexts define.")
    return canonical


def canonical_form(statements: Iterable[Quad], hash_name: str = "sha256") -> bytes:
    """The canonical N-Quads of a dataset (RDFC-1.0 §4), sorted. Raises MalformedCredential if it is too much work."""
    quads: list[Quad] = []
    for quad in statements:
        quads.append(quad)
        if len(quads) > MAX_QUADS:
            raise MalformedCredential(f"The document makes more than {MAX_QUADS} statements.")
    lines: bytes = serialize(_labelled(quads, hash_name), format=RdfFormat.N_QUADS) or b""
    # A dataset is a set, and what two places of a document state it states once. Not splitlines(): a literal may hold
    # U+2028 and its like, which N-Quads does not escape.
    return b"".join(line + b"\n" for line in sorted(set(lines.split(b"\n"))) if line)


def _labelled(quads: list[Quad], hash_name: str) -> list[Quad]:
    nodes: set[BlankNode] = set()
    links = 0
    named: list[Quad] = []
    anonymous: list[Quad] = []
    for quad in quads:
        blank = {term for term in quad if type(term) is BlankNode}
        nodes |= blank
        links += len(blank) > 1
        (anonymous if blank else named).append(quad)
    if len(nodes) > MAX_BLANK_NODES:
        raise MalformedCredential(f"The document has more than {MAX_BLANK_NODES} objects without an id; give them ids.")
    try:
        if links > MAX_LINKS:
            raise TooMuchWork
        labels: dict[Any, BlankNode] = canonical_labels(anonymous, hash_name)
    except TooMuchWork:
        raise MalformedCredential(
            "The document has too many objects that differ in nothing and refer to each other; give them ids."
        ) from None
    return [*named, *(Quad(labels.get(s, s), p, labels.get(o, o), labels.get(g, g)) for s, p, o, g in anonymous)]
