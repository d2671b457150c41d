"""Credentials that nobody thought of, signed by Laurel and verified by the oracles, and the other way round.

With the RDF suites `openvc-core` does not take part: it refuses whatever is not in the one form to which JSON-LD
compaction would bring it (an `AchievementCredential` has to be an `OpenBadgeCredential`, a point's type is wrong), and
any document that describes an id twice. VC Data Integrity 1.0 §2.4.1 asks only that the contexts be known.
`@digitalbazaar/vc` is spared what it is known to sort wrongly, which `test_data_integrity.py` shows.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from laurel.credentials.canonical import canonicalize
from laurel.credentials.keys import KeyType, SigningKey
from laurel.credentials.values import format_datetime
from oracles.digital_bazaar import DigitalBazaar
from oracles.openvc_core import OpenvcCore
from oracles.oracle import CREATED, SUITES, Document, Oracle, Signer
from oracles.ours import Laurel
from support.generated import credentials

CASES = [
    pytest.param(each.name, suite, key_type, id=f"{each.name}-{suite}-{key_type}")
    for each in (DigitalBazaar, OpenvcCore)
    for suite, key_type in SUITES
    if (suite, key_type) in each.suites & Laurel.suites and (each is DigitalBazaar or "-jcs-" in suite)
]


def by(issuer: Signer, document: Document) -> Document:
    """The credential as that issuer's, valid today, with nothing to fetch."""
    profile = document["issuer"] if isinstance(document["issuer"], dict) else {"type": ["Profile"]}
    others = {name: value for name, value in document.items() if name not in ("validUntil", "credentialStatus")}
    return {**others, "issuer": {**profile, "id": issuer.controller}, "validFrom": format_datetime(CREATED)}


def sorts_alike(document: Document) -> bool:
    """Whether the statements come in the same order by code point as by UTF-16."""
    statements = canonicalize(document).decode().removesuffix("\n").split("\n")
    return statements == sorted(statements, key=lambda each: each.encode("utf-16-be"))


@pytest.mark.parametrize(("oracle", "suite", "key_type"), CASES, indirect=["oracle"])
@settings(
    # To shrink what fails takes minutes here: each try is a question to another process.
    deadline=None, max_examples=10, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(generated=st.data())
def test_whatever_the_standard_allows_holds_for_both(
    oracle: Oracle, suite: str, key_type: KeyType, keys: Mapping[KeyType, SigningKey], generated: st.DataObject
) -> None:
    issuer = Signer.with_did_key(keys[key_type])
    document = by(issuer, generated.draw(credentials(language_values=True, endorsed=True, fractions="-jcs-" in suite)))
    assume("-jcs-" in suite or sorts_alike(document))
    oracle.verify(Laurel().sign(document, suite, issuer), {})
    Laurel().verify(oracle.sign(document, suite, issuer), {})
