"""The cryptosuites of Data Integrity: which keys each takes, and which bytes are signed with it.

EdDSA Cryptosuites 1.0 §3.2 and §3.3 (`eddsa-rdfc-2022`, `eddsa-jcs-2022`), ECDSA Cryptosuites 1.0 §3.2 and §3.3
(`ecdsa-rdfc-2019`, `ecdsa-jcs-2019`). They all sign the hash of the canonical proof options, followed by the hash of
the canonical document. How a key signs is the key's business (`keys`), and what a proof has to be is `proofs`'.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from laurel.credentials import jcs
from laurel.credentials.canonical import canonicalize
from laurel.credentials.keys import KeyType, PublicKey

Document = dict[str, Any]


@dataclass(frozen=True)
class Cryptosuite:
    """One way of making and checking proofs."""

    name: str
    key_types: frozenset[KeyType]
    canonicalize: Callable[[Document, str], bytes]
    """The canonical form of a document, with the hash's name: it is a part of RDFC-1.0 (ECDSA Cryptosuites 1.0
    §3.2.3), which shows where a document has objects without an id."""
    carries_context: bool = False
    """Whether the proof has an `@context` of its own, which the signature then covers."""

    def hash_data(self, document: Document, proof_options: Document, key: PublicKey) -> bytes:
        """The bytes that are signed: 64 of them, or 96 with P-384.

        `document` is without the proof at hand (it has those that the proof refers to as previous), and
        `proof_options` is the proof without `proofValue`. Raises MalformedCredential for what is not JSON-LD of
        bounded size; what JSON-LD would drop must have been refused before (`terms.check_terms`).
        """
        content = self.hash_content(document, proof_options, key.hash_name)
        return self.hash_options(document, proof_options, key.hash_name) + content

    def hash_options(self, document: Document, proof_options: Document, hash_name: str) -> bytes:
        """The first half of what is signed."""
        if not self.carries_context:
            # §3.2.5: the options are read with the document's contexts.
            proof_options = {**proof_options, "@context": document.get("@context")}
        return self._hash(proof_options, hash_name)

    def hash_content(self, document: Document, proof_options: Document, hash_name: str) -> bytes:
        """The second half, which is the same for all proofs that cover the same `document` with the same context."""
        if self.carries_context and "@context" in proof_options:
            # §3.3.2 step 4: contexts that were appended after this proof was made are not its own.
            document = {**document, "@context": proof_options["@context"]}
        return self._hash(document, hash_name)

    def _hash(self, document: Document, hash_name: str) -> bytes:
        return hashlib.new(hash_name, self.canonicalize(document, hash_name)).digest()


def _jcs(document: Document, _hash_name: str) -> bytes:
    return jcs.canonicalize(document)


_EDDSA = frozenset({KeyType.ED25519})
_ECDSA = frozenset({KeyType.P256, KeyType.P384})

CRYPTOSUITES: Mapping[str, Cryptosuite] = {
    suite.name: suite
    for suite in (
        Cryptosuite("eddsa-rdfc-2022", _EDDSA, canonicalize),
        Cryptosuite("ecdsa-rdfc-2019", _ECDSA, canonicalize),
        Cryptosuite("eddsa-jcs-2022", _EDDSA, _jcs, carries_context=True),
        Cryptosuite("ecdsa-jcs-2019", _ECDSA, _jcs, carries_context=True),
    )
}
"""Those that proofs of the type DataIntegrityProof name."""

ED25519_SIGNATURE_2020 = Cryptosuite("Ed25519Signature2020", _EDDSA, canonicalize)
"""What came before them and is still met: a type of proof of its own. Verified only; nothing is signed with it."""


def default_for(key_type: KeyType) -> Cryptosuite | None:
    """The suite to sign with where none is asked for; None where no suite takes such keys."""
    return next((suite for suite in CRYPTOSUITES.values() if key_type in suite.key_types), None)
