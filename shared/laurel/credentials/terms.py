"""JSON-LD safe mode: nothing in a document may be dropped on its way into the signature.

JSON-LD processors silently drop what no context defines, so a signature would not cover it while every reader
of the JSON would see it. This module walks a document with the active context, type-scoped and property-scoped
contexts included (JSON-LD 1.1 §4.1.8, expansion algorithm in JSON-LD API §5.1), and refuses whatever would be
dropped or read differently. What it does not understand it refuses too: inline and nested contexts, value
objects, keywords, JSON literals, numbers that are not whole.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from laurel.credentials import contexts
from laurel.credentials.documents import MAX_NESTING
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.values import is_absolute_iri, parse_datetime, pointer

Path = tuple[str | int, ...]

_ABSENT: Any = object()
_UNDERSTOOD_CONTAINERS = {"@set", "@list", "@graph"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAX_SAFE_INTEGER = 2**53 - 1


@dataclass(frozen=True)
class Term:
    """A term definition. `scope` is its own context, unprocessed (None is a real value there)."""

    id: str
    type: str | None = None
    containers: frozenset[str] = frozenset()
    scope: Any = _ABSENT
    protected: bool = field(default=False, compare=False)


# Compared and hashed by identity, so that the caches below need not walk it.
@dataclass(frozen=True, eq=False)
class ActiveContext:
    """The term definitions in force at one place of a document."""

    terms: Mapping[str, Term]

    def extend(self, local: Any, *, override_protected: bool = False) -> "ActiveContext":
        """This context with `local` processed on top (JSON-LD API §4.1). Raises MalformedCredential."""
        if local is None:
            return ActiveContext({})
        active = self
        for entry in local if isinstance(local, list) else [local]:
            active = ActiveContext(active._merged(entry, override_protected))
        return active

    def _merged(self, local: Mapping[str, Any], override_protected: bool) -> dict[str, Term]:
        terms = dict(self.terms)
        protect = bool(local.get("@protected", False))
        for name, definition in local.items():
            if name in {"@protected", "@version"}:
                continue
            if name.startswith("@"):
                raise MalformedCredential(f"The context keyword {name} is not supported.", pointer="/@context")
            term = _term(definition, protect, {**self.terms, **local})
            known = terms.get(name)
            # JSON-LD API §4.2.2 step 25: the same definition again is no redefinition.
            if known is not None and known.protected and not override_protected and known != term:
                raise MalformedCredential(
                    f"The contexts define the protected term {name!r} differently; use contexts that agree.",
                    pointer="/@context",
                )
            terms[name] = known if known is not None and known == term and known.protected else term
        return terms


def _term(definition: Any, protected: bool, known: Mapping[str, Any]) -> Term:
    if isinstance(definition, str):
        return Term(_expanded(definition, known), protected=protected)
    container = definition.get("@container", [])
    containers = frozenset([container] if isinstance(container, str) else container)
    if not containers <= _UNDERSTOOD_CONTAINERS:
        raise MalformedCredential(f"The container {container!r} is not supported.", pointer="/@context")
    return Term(
        _expanded(definition["@id"], known),
        _expanded(definition["@type"], known) if "@type" in definition else None,
        containers,
        definition.get("@context", _ABSENT),
        bool(definition.get("@protected", protected)),
    )


def _expanded(name: str, known: Mapping[str, Any]) -> str:
    # Two spellings of one IRI, as "sec:proof" and the whole, are the same definition. The bundled contexts never
    # define a prefix by another.
    prefix, _, rest = name.partition(":")
    definition = known.get(prefix)
    if not rest or definition is None or rest.startswith("//"):
        return name
    return (definition.id if isinstance(definition, Term) else str(definition)) + rest


@lru_cache(maxsize=64)
def root_context(urls: tuple[str, ...]) -> ActiveContext:
    """The active context of a document with these context URLs. Raises MalformedCredential."""
    active = ActiveContext({})
    for index, url in enumerate(urls):
        if url not in contexts.CONTEXTS:
            raise MalformedCredential(
                f"The context {url[:200]!r} is not known here, and contexts are never fetched;"
                " use the contexts of VC 2.0 and Open Badges 3.0.3.",
                pointer=pointer("@context", index),
            )
        active = active.extend(contexts.CONTEXTS[url]["@context"])
    return active


@lru_cache(maxsize=1024)
def _with_types(active: ActiveContext, types: tuple[str, ...]) -> ActiveContext:
    # In lexicographical order, each looked up in the context before any of them (JSON-LD API §5.1.2 step 11).
    typed = active
    for name in types:
        scope = active.terms[name].scope
        if scope is not _ABSENT:
            typed = typed.extend(scope)
    return typed


@lru_cache(maxsize=1024)
def _with_property(active: ActiveContext, name: str, owner: ActiveContext) -> ActiveContext:
    # A property-scoped context may redefine what is protected (JSON-LD 1.1 §4.1.11).
    scope = owner.terms[name].scope
    return active if scope is _ABSENT else active.extend(scope, override_protected=True)


def context_urls(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The document's context URLs in order. Raises MalformedCredential if they are anything but known URLs."""
    declared = document.get("@context")
    urls = declared if isinstance(declared, list) else [declared]
    for index, url in enumerate(urls):
        if not isinstance(url, str):
            raise MalformedCredential(
                "Each context must be the URL of a published context; contexts written into the document"
                " are not accepted.",
                pointer=pointer("@context", index),
            )
    if not 1 <= len(urls) <= contexts.MAX_REFERENCES:
        raise MalformedCredential("The document must name its contexts.", pointer="/@context")
    return tuple(urls)


def check_terms(document: Mapping[str, Any]) -> None:
    """Raise MalformedCredential, with a pointer, at the first thing JSON-LD would drop or misread."""
    urls = context_urls(document)
    _check_proof_contexts(document, urls)
    _check_node(document, root_context(urls), ())


def _check_proof_contexts(document: Mapping[str, Any], urls: tuple[str, ...]) -> None:
    """A proof may repeat the contexts that the document had when it was made (EdDSA Cryptosuites 1.0 §3.3.2)."""
    proofs = document.get("proof")
    for index, proof in enumerate(proofs if isinstance(proofs, list) else [proofs]):
        if not isinstance(proof, dict) or "@context" not in proof:
            continue
        repeated = proof["@context"] if isinstance(proof["@context"], list) else [proof["@context"]]
        if not repeated or list(urls[: len(repeated)]) != repeated:
            here = ("proof", index) if isinstance(proofs, list) else ("proof",)
            _refuse("The proof's @context must be that of the document, or its beginning.", (*here, "@context"))


def _may_have_context(path: Path) -> bool:
    return not path or path == ("proof",) or (len(path) == 2 and path[0] == "proof" and isinstance(path[1], int))


def _check_node(node: Mapping[str, Any], active: ActiveContext, path: Path) -> None:
    if len(path) >= MAX_NESTING:
        _refuse(f"The document is nested deeper than {MAX_NESTING} levels.", path)
    if not node:
        _refuse("An empty object says nothing; leave the member out.", path)
    typed = _with_types(active, _types(node, active, path))
    for name, value in node.items():
        if name == "@context" and _may_have_context(path):
            continue
        here = (*path, name)
        term = typed.terms.get(name) if isinstance(name, str) else None
        if term is None:
            _refuse(f"No context defines {str(name)[:100]!r} here; correct its spelling or leave it out.", here)
        if term.id == "@id":
            _check_iri(value, typed, here)
        elif term.id.startswith("@") and term.id != "@type":
            _refuse(f"The keyword {term.id} is not supported here.", here)
        elif term.id != "@type":
            _check_property(value, name, typed, active, here)


def _types(node: Mapping[str, Any], active: ActiveContext, path: Path) -> tuple[str, ...]:
    declared = node.get("type", [])
    names = declared if isinstance(declared, list) else [declared]
    if "type" in node and not names:
        _refuse("The type must name at least one type.", (*path, "type"))
    for index, name in enumerate(names):
        here = (*path, "type", index) if isinstance(declared, list) else (*path, "type")
        term = active.terms.get(name) if isinstance(name, str) else None
        if term is None or term.id.startswith("@"):
            _refuse(f"No context defines the type {str(name)[:100]!r}; correct it or leave it out.", here)
    return tuple(sorted(names))


def _check_property(value: Any, name: str, typed: ActiveContext, active: ActiveContext, path: Path) -> None:
    if not isinstance(value, list):
        return _check_value(value, name, typed, active, path)
    if not value:
        _refuse("An empty list says nothing; leave the member out.", path)
    for index, item in enumerate(value):
        _check_value(item, name, typed, active, (*path, index))
    return None


def _check_value(value: Any, name: str, typed: ActiveContext, active: ActiveContext, path: Path) -> None:
    term = typed.terms[name]
    if term.type == "@json":
        _refuse("JSON literals are not supported.", path)
    if isinstance(value, dict):
        # A type-scoped context ends at the next object (§4.1.8); a property-scoped one begins there.
        return _check_node(value, _with_property(active, name, typed), path)
    if term.type == "@id":
        return _check_iri(value, typed, path)
    if term.type == "@vocab":
        known = _with_property(typed, name, typed).terms.get(value) if isinstance(value, str) else None
        if known is None or known.id.startswith("@"):
            _refuse(f"No context defines the value {str(value)[:100]!r} here.", path)
        return None
    return _check_literal(value, term, path)


def _check_literal(value: Any, term: Term, path: Path) -> None:
    datatype = term.type or ""
    if datatype.endswith("dateTime"):
        try:
            parse_datetime(value)
        except ValueError as error:
            _refuse(f"The date must be an XSD dateTimeStamp, with a time zone: {error}.", path)
    elif datatype.endswith("#boolean"):
        if not isinstance(value, bool):
            _refuse("The value must be true or false.", path)
    elif isinstance(value, int):
        # JSON-LD writes larger numbers, and all that are not whole, as xsd:double, and processors differ in it.
        if abs(value) > _MAX_SAFE_INTEGER:
            _refuse("The number is too large to be written exactly; write it as a string.", path)
    elif isinstance(value, float):
        _refuse("A number that is not whole has no one spelling; write it as a string.", path)
    elif not isinstance(value, str):
        _refuse("The value must be a string, a number, true, false or an object; leave out what is null.", path)
    elif _CONTROL.search(value):
        # Only newer canonicalisers escape them (RDFC-1.0, "Canonical N-Quads"), so elsewhere the proof would fail.
        _refuse("The text holds an invisible control character; take it out.", path)


def _check_iri(value: Any, active: ActiveContext, path: Path) -> None:
    if not is_absolute_iri(value):
        _refuse("The value must be an absolute IRI such as https://example.org/1 or urn:uuid:….", path)
    prefix, _, rest = value.partition(":")
    if prefix in active.terms and not rest.startswith("//"):
        _refuse(f"The IRI must be written out, without the prefix {prefix!r}.", path)


def _refuse(detail: str, path: Path) -> NoReturn:
    raise MalformedCredential(detail, pointer=pointer(*path))
