"""Which terms mean what at each place of a document: JSON-LD's context processing (JSON-LD 1.1 API §4).

Only as much of it as credentials use: definitions of terms, prefixes, a vocabulary, a default language and
direction, protection, and contexts scoped to a type or a property. Whatever else a context says is refused.

A signature over RDF covers what terms expand to and not the terms, nor the contexts. So a context written into a
document must not give another name to what a published context names: renaming `credentialStatus` would leave the
signature valid and hide the status from everyone who reads JSON.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, NoReturn

from pyoxigraph import Literal

from laurel.credentials import contexts
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.values import is_absolute_iri, pointer

Path = tuple[str | int, ...]

ABSENT: Any = object()
_CONTAINERS = {"@set", "@list", "@graph"}
_TYPE_KEYWORDS = {"@id", "@vocab", "@json"}
_DEFINING = {"@id", "@type", "@container", "@context", "@language", "@direction", "@protected", "@prefix"}
_ALIASES = {"id": "@id", "type": "@type"}
_MAX_MEMO = 256
_MAX_INDIRECTION = 16
# The characters that end an IRI which a simple definition makes a prefix (API §4.2.2 step 14.2.5).
_DELIMITERS = tuple(":/?#[]@")


@dataclass(frozen=True)
class Term:
    """A term definition. `scope` is its own context, unprocessed (None is a real value there).

    `language` and `direction` are ABSENT where the context's own hold.
    """

    id: str
    type: str | None = None
    containers: frozenset[str] = frozenset()
    scope: Any = ABSENT
    language: Any = ABSENT
    direction: Any = ABSENT
    prefix: bool = False
    protected: bool = field(default=False, compare=False)


# Compared and hashed by identity, so that nothing needs to walk it.
@dataclass(frozen=True, eq=False)
class ActiveContext:
    """The term definitions in force at one place of a document."""

    terms: Mapping[str, Term] = field(default_factory=dict)
    vocabulary: str | None = None
    language: str | None = None
    direction: str | None = None
    # Scoped contexts processed on top of this one. Kept here, so that they go when it goes.
    _memo: dict[Any, "ActiveContext"] = field(default_factory=dict, repr=False)

    def with_published(self, url: str, path: Path) -> "ActiveContext":
        """This context with the one at `url` on top. Raises MalformedCredential if `url` is not bundled."""
        if url not in contexts.CONTEXTS:
            raise contexts.unknown_context(url, path)
        return self._remembered(url, lambda: self.with_scope(contexts.CONTEXTS[url]["@context"], path))

    def with_types(self, names: tuple[str, ...]) -> "ActiveContext":
        """This context with those scoped to these types, which are sorted, on top (API §5.1.2 step 11)."""
        scoped = tuple(name for name in names if name in self.terms and self.terms[name].scope is not ABSENT)
        return self._remembered(scoped, lambda: self._with_types(scoped)) if scoped else self

    def _with_types(self, names: tuple[str, ...]) -> "ActiveContext":
        # Each type is looked up in the context before any of them.
        typed = self
        for name in names:
            typed = typed.with_scope(self.terms[name].scope, ("@context",))
        return typed

    def with_property(self, name: str, owner: "ActiveContext") -> "ActiveContext":
        """This context with the one scoped to the property `name`, as `owner` defines it, on top."""
        term = owner.terms.get(name)
        if term is None or term.scope is ABSENT:
            return self
        # It may redefine what is protected (JSON-LD 1.1 §4.1.11).
        scope = term.scope
        return self._remembered((name, owner), lambda: self.with_scope(scope, ("@context",), override_protected=True))

    def with_scope(self, local: Any, path: Path, *, override_protected: bool = False) -> "ActiveContext":
        """This context with a definition's own, one that is part of a context, on top."""
        if local is None:
            return ActiveContext() if override_protected else self.without_definitions(path)
        return self.with_definitions(local, path, override_protected=override_protected)

    def without_definitions(self, path: Path) -> "ActiveContext":
        """The empty context, unless a term is protected (API §4.1.2 step 5.1)."""
        if any(term.protected for term in self.terms.values()):
            raise MalformedCredential("A null context cannot lift protected terms.", pointer=pointer(*path))
        return ActiveContext()

    def with_definitions(
        self, local: Mapping[str, Any], path: Path, *, override_protected: bool = False, published: bool = True
    ) -> "ActiveContext":
        """This context with the definitions of `local` on top (API §4.1). Raises MalformedCredential.

        `published` says that `local` is out of a bundled context and may name things as it likes.
        """
        return _Definitions(self, local, path, published).merged(override_protected)

    def expand(self, name: str) -> str | None:
        """The IRI that the member name or type `name` stands for; None if nothing defines it (API §5.2).

        What is an IRI already, or is made one by a prefix or the vocabulary, must not be something that a bundled
        context has a name of its own for: None then, too.
        """
        term = self.terms.get(name)
        if term is not None:
            return term.id
        iri = _compose(name, self.terms.get, self.vocabulary)
        if iri is None or not is_absolute_iri(iri) or name not in names_of_published().get(iri, (name,)):
            return None
        return iri

    def _remembered(self, key: Any, make: Callable[[], "ActiveContext"]) -> "ActiveContext":
        known = self._memo.get(key)
        if known is None:
            if len(self._memo) >= _MAX_MEMO:
                self._memo.clear()
            known = self._memo[key] = make()
        return known


@lru_cache(maxsize=64)
def root_context(urls: tuple[str, ...]) -> ActiveContext:
    """The active context of a document with these context URLs. Raises MalformedCredential."""
    active = ActiveContext()
    for index, url in enumerate(urls):
        active = active.with_published(url, ("@context", index))
    return active


@cache
def names_of_published() -> Mapping[str, frozenset[str]]:
    """Every IRI that a bundled context defines a term for, with the names it has there; prefixes are left out."""
    names: dict[str, set[str]] = defaultdict(set)

    def collect(active: ActiveContext, local: Any) -> None:
        for name in local or ():
            term = active.terms.get(name)
            if term is None or term.prefix or term.id.startswith("@"):
                continue
            names[term.id].add(name)
            if isinstance(term.scope, Mapping):
                collect(active.with_scope(term.scope, (), override_protected=True), term.scope)

    for file in contexts.FILES.values():
        local = contexts.load(file)["@context"]
        collect(ActiveContext().with_scope(local, ()), local)
    return {iri: frozenset(known) for iri, known in names.items()}


def check_language(tag: Any, path: Path) -> None:
    """Raise MalformedCredential unless `tag` is a well-formed language tag (BCP 47) as the RDF parser sees it."""
    try:
        well_formed = isinstance(tag, str) and Literal("", language=tag) is not None
    except ValueError:
        well_formed = False
    if not well_formed:
        raise MalformedCredential("The language must be a tag such as en or de-AT (BCP 47).", pointer=pointer(*path))


def _compose(name: str, term_of: Callable[[str], Term | None], vocabulary: str | None) -> str | None:
    prefix, colon, rest = name.partition(":")
    if name.startswith("@") or prefix == "_":
        return None
    if not colon:
        return None if vocabulary is None else vocabulary + name
    term = None if rest.startswith("//") else term_of(prefix)
    # API §5.2 step 6.4: a term that is no prefix leaves an IRI whose scheme is called the same as it is.
    return term.id + rest if term is not None and term.prefix else name


class _Definitions:
    """The definitions of one local context, each made when it is first needed, since they may refer to each other."""

    def __init__(self, active: ActiveContext, local: Any, path: Path, published: bool) -> None:
        if not isinstance(local, Mapping):
            raise MalformedCredential(
                "A context inside a context must be an object; it may not be fetched.", pointer=pointer(*path)
            )
        self.active = active
        self.local = local
        self.path = path
        self.published = published
        self.vocabulary = active.vocabulary
        self.made: dict[str, Term] = {}
        self.making: list[str] = []

    def merged(self, override_protected: bool) -> ActiveContext:
        language, direction = self._keywords()
        terms = dict(self.active.terms)
        for name in self.local:
            if name.startswith("@"):
                continue
            term = self._term(name)
            known = terms.get(name)
            if known is not None and known.protected and not override_protected:
                # API §4.2.2 step 27: the same definition again is no redefinition.
                if known != term:
                    self._refuse(f"The term {name!r} is protected; the contexts must agree on what it means.", name)
                continue
            terms[name] = term
        return ActiveContext(terms, self.vocabulary, language, direction)

    def _keywords(self) -> tuple[str | None, str | None]:
        language, direction = self.active.language, self.active.direction
        for name, value in self.local.items():
            here = (*self.path, name)
            if name == "@vocab":
                if not is_absolute_iri(value) or _prefix_of(value) in self._prefixes():
                    self._refuse("The vocabulary must be an absolute IRI.", name)
                self.vocabulary = value
            elif name == "@language":
                check_language(value, here)
                language = value
            elif name == "@direction":
                if value not in ("ltr", "rtl"):
                    self._refuse("The direction must be ltr or rtl.", name)
                direction = value
            elif name == "@protected":
                if value is not True:
                    self._refuse("@protected must be true; leave it out otherwise.", name)
            elif name == "@version":
                if value != 1.1:
                    self._refuse("@version must be 1.1.", name)
            elif not isinstance(name, str) or name.startswith("@"):
                self._refuse(f"The context keyword {str(name)[:100]} is not supported.", name)
        return language, direction

    def _prefixes(self) -> set[str]:
        return {*self.active.terms, *self.local}

    def _term(self, name: str) -> Term:
        known = self.made.get(name)
        if known is not None:
            return known
        if name in self.making or len(self.making) >= _MAX_INDIRECTION:
            self._refuse("The definitions go round in a circle, or too deep.", name)
        self.making.append(name)
        term = self.made[name] = self._make(name, self.local[name])
        self.making.pop()
        return term

    def _make(self, name: str, definition: Any) -> Term:
        if not self.published and (not name or ":" in name or "/" in name):
            self._refuse("A term must not be empty, and not look like an IRI.", name)
        simple = isinstance(definition, str)
        parts: Mapping[str, Any] = {"@id": definition} if simple else definition
        if not isinstance(parts, Mapping) or not parts.keys() <= _DEFINING:
            self._refuse("The definition must be an IRI, or an object of supported keywords.", name)
        iri = self._iri(parts.get("@id", name), name)
        if iri.startswith("@") and _ALIASES.get(name) != iri:
            self._refuse(f"Only id and type may stand for a keyword, not {name[:100]!r}.", name)
        if not self.published and not iri.startswith("@"):
            if not is_absolute_iri(iri):
                self._refuse("The definition must be an absolute IRI.", name)
            if name not in names_of_published().get(iri, (name,)):
                self._refuse("The definition gives another name to a term of a published context.", name)
        container = parts.get("@container", [])
        several = container if isinstance(container, list) else [container]
        if not all(isinstance(each, str) and each in _CONTAINERS for each in several):
            self._refuse("The container is not supported.", name)
        if parts.get("@type") == "@json" and not {"@set"}.issuperset(several):
            # Where JSON is put into a list or a graph, processors do not agree on what comes out.
            self._refuse("A term for JSON has no container but @set.", name)
        if parts.get("@language") is not None:
            check_language(parts["@language"], (*self.path, name, "@language"))
        if parts.get("@direction") not in (None, "ltr", "rtl"):
            self._refuse("The direction must be ltr or rtl.", name)
        return Term(
            iri,
            self._type(parts["@type"], name) if "@type" in parts else None,
            frozenset(several),
            parts.get("@context", ABSENT),
            parts.get("@language", ABSENT),
            parts.get("@direction", ABSENT),
            iri.endswith(_DELIMITERS) if simple else bool(parts.get("@prefix", False)),
            bool(parts.get("@protected", self.local.get("@protected", False))),
        )

    def _type(self, name: Any, term: str) -> str | None:
        if isinstance(name, str) and name in _TYPE_KEYWORDS:
            return str(name)
        return self._iri(name, term)

    def _iri(self, name: Any, term: str) -> str:
        if not isinstance(name, str):
            self._refuse("The definition must be an absolute IRI.", term)
        if name in ("@id", "@type"):
            return name
        if name != term and (owner := self._definition(name)) is not None:
            return owner.id
        iri = _compose(name, self._definition, self.vocabulary)
        if iri is None:
            self._refuse("The definition must be an absolute IRI.", term)
        return iri

    def _definition(self, name: str) -> Term | None:
        return self._term(name) if name in self.local and not name.startswith("@") else self.active.terms.get(name)

    def _refuse(self, detail: str, name: Any) -> NoReturn:
        # A published context is not part of the document, so there is nothing in it to point to.
        path = self.path if self.published else (*self.path, name)
        raise MalformedCredential(detail, pointer=pointer(*path))


def _prefix_of(iri: str) -> str | None:
    prefix, _, rest = iri.partition(":")
    return None if rest.startswith("//") else prefix
