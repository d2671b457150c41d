"""Contexts cut down to the terms a document uses, which makes canonicalising it several times faster.

A term definition matters only where its name occurs: as a member name, as a type or other vocabulary value, as
the prefix of a compact IRI, or inside another definition. Keeping every definition whose name occurs anywhere in
the document, as any of these, keeps more than enough and changes no statement.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from laurel.credentials import contexts


def used_names(value: Any) -> set[str]:
    """Every string in `value` that could be a term or a prefix: member names and values, and what is before ':'."""
    names: set[str] = set()
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            names.update(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str):
            names.add(item)
            names.add(item.partition(":")[0])
    return names


def pruned(url: str, used: Iterable[str]) -> Any:
    """The context at `url` with only the definitions that `used` names need. KeyError for an unknown URL."""
    return _pruned(url, _term_names(url).intersection(used))


@lru_cache(maxsize=64)
def _term_names(url: str) -> frozenset[str]:
    return frozenset(_names(contexts.CONTEXTS[url]["@context"]))


def _names(context: Any) -> Iterator[str]:
    if isinstance(context, dict):
        for name, definition in context.items():
            if not name.startswith("@"):
                yield name
            if isinstance(definition, dict):
                yield from _names(definition.get("@context"))


@lru_cache(maxsize=512)
def _pruned(url: str, used: frozenset[str]) -> Any:
    context = contexts.CONTEXTS[url]["@context"]
    names: set[str] = set(used)
    # A kept definition may name others (as the prefix of its IRI, or as its alias), which may name more.
    while True:
        kept = _keep(context, names)
        wider = names | used_names(kept)
        if wider == names:
            return kept
        names = wider


def _keep(context: Any, names: set[str]) -> Any:
    if not isinstance(context, dict):
        return context
    return {
        name: {**definition, "@context": _keep(definition["@context"], names)}
        if isinstance(definition, dict) and "@context" in definition
        else definition
        for name, definition in context.items()
        if name.startswith("@") or name in names
    }
