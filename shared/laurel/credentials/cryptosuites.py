"""The cryptosuites of Data Integrity: which keys each takes, and which bytes are signed with it.

EdDSA Cryptosuites 1.0 §3.2 (`eddsa-rdfc-2022`), ECDSA Cryptosuites 1.0 §3.2 (`ecdsa-rdfc-2019`). They all sign the
hash of the canonical proof options, followed by the hash of the canonical document. How a key signs is the key's
business (`keys`), and what a proof has to be is `proofs`'.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from laurel.credentials import canonical
from laurel.credentials.keys import KeyType

Document = dict[str, Any]

# With P-384, ECDSA Cryptosuites 1.0 §3.2.4 hashes the document and the options with SHA-384 too.
_HASHES = {KeyType.ED25519: hashlib.sha256, KeyType.P256: hashlib.sha256, KeyType.P384: hashlib.sha384}


@dataclass(frozen=True)
class Cryptosuite:
    """One way of making and checking proofs."""

    name: str
    key_types: frozenset[KeyType]
    transform: Callable[[Document, Document], tuple[bytes, bytes]]
    """The canonical forms of the proof options and of the document, from the document and the options."""
    carries_context: bool = False
    """Whether the proof has an `@context` of its own, which the signature then covers."""

    def hash_data(self, document: Document, proof_options: Document, key_type: KeyType) -> bytes:
        """The bytes that are signed: 64 of them, or 96 with P-384.

        `document` is without the proof at hand (it has those that the proof refers to as previous), and
        `proof_options` is the proof without `proofValue`. Raises MalformedCredential for what is not JSON-LD of
        bounded size; what JSON-LD would drop must have been refused before (`terms.check_terms`).
        """
        options, content = self.transform(document, proof_options)
        digest = _HASHES[key_type]
        return digest(options).digest() + digest(content).digest()


def _rdfc(document: Document, options: Document) -> tuple[bytes, bytes]:
    # §3.2.5: the options are read with the document's contexts.
    configuration = {"@context": document.get("@context"), **options}
    return canonical.canonicalize(configuration), canonical.canonicalize(document)


_EDDSA = frozenset({KeyType.ED25519})
_ECDSA = frozenset({KeyType.P256, KeyType.P384})

CRYPTOSUITES: Mapping[str, Cryptosuite] = {
    suite.name: suite
    for suite in (
        Cryptosuite("eddsa-rdfc-2022", _EDDSA, _rdfc),
        Cryptosuite("ecdsa-rdfc-2019", _ECDSA, _rdfc),
    )
}
"""Those that proofs of the type DataIntegrityProof name."""

ED25519_SIGNATURE_2020 = Cryptosuite("Ed25519Signature2020", _EDDSA, _rdfc)
"""What came before them and is still met: a type of proof of its own. Verified only; nothing is signed with it."""


def default_for(key_type: KeyType) -> Cryptosuite | None:
    """The suite to sign with where none is asked for; None where no suite takes such keys."""
    return next((suite for suite in CRYPTOSUITES.values() if key_type in suite.key_types), None)
