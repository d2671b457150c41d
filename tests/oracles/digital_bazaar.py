"""`@digitalbazaar/vc` with its cryptosuites, and `jose`, in one Node process that is asked (node/oracle.mjs)."""

from __future__ import annotations

import select
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from laurel.credentials.contexts import CONTEXTS
from laurel.credentials.keys import SigningKey
from laurel.credentials.values import format_datetime
from oracles.npm import NODE, NODE_FILES, obtain_packages
from oracles.oracle import CREATED, SUITES, Document, Refused, Signer

ANSWER_SECONDS = 60


class NodeProcess:
    """The process. What it throws is raised here as Refused."""

    def __init__(self, directory: Path) -> None:
        """Started in `directory`, which gets a copy of the script; raises Unavailable without the packages."""
        # Node looks for packages beside the script, so the script goes where they are.
        (directory / "node_modules").symlink_to(obtain_packages())
        script = shutil.copy(NODE_FILES / "oracle.mjs", directory)
        self._process = subprocess.Popen([NODE, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ask("contexts", documents=dict(CONTEXTS))

    def ask(self, operation: str, **request: Any) -> Any:
        """The answer of one of the operations in node/oracle.mjs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps({"op": operation, **request}) + b"\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], ANSWER_SECONDS)[0]:
            raise RuntimeError(f"node did not answer {operation} within {ANSWER_SECONDS} s")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"node ended with code {self._process.wait()}; its last words are in stderr")
        answer = orjson.loads(line)
        if "error" in answer:
            raise Refused(f"{answer['error']['name']}: {answer['error']['message']}")
        return answer["result"]

    def stop(self) -> None:
        """It ends when there is nothing more to read."""
        self._process.communicate(timeout=30)


class DigitalBazaar:
    """`@digitalbazaar/vc` 7, behind the interface of the oracles.

    Where it departs from the standard, so that an agreement in these tests means less than it seems:

    - It returns `verified: true` for a revoked credential, with the bit further down in the result. Bitstring Status
      List 1.0 §3.2 ("Validate Algorithm") returns the status and leaves the verdict to the verifier; `verify` here
      looks at every bit.
    - `verified: true` for a proof set means that one proof holds (VC Data Integrity 1.0 §4.5 wants them all); `verify`
      here looks at each.
    - It has no proof chains: it takes `previousProof` for a member like any other and covers no previous proof.
    - It sorts the statements of the canonical form by UTF-16 instead of by code point (RDFC-1.0 §4.4.3), and leaves
      U+FFFE and U+FFFF unescaped. Both are other bytes than the standard's, and make its proofs fail elsewhere.
    - It checks the form of a proof's `expires` and not whether the time has come (§2.1).
    """

    name = "@digitalbazaar/vc"
    suites = frozenset(SUITES)

    def __init__(self, node: NodeProcess) -> None:
        self.node = node

    def sign(self, document: Document, suite: str, signer: Signer) -> Document:
        signed: Document = self.node.ask(
            "sign", document=document, documents=dict(signer.documents), suite=suite,
            key=secret_multikey(signer), created=format_datetime(CREATED),
        )  # fmt: skip
        return signed

    def verify(self, document: Document, documents: Mapping[str, Document]) -> None:
        found = self.node.ask("verify", document=document, documents=dict(documents))
        if not found["verified"] or not all(found["proofs"]):
            raise Refused("; ".join(found["errors"]))
        for status in found["statuses"]:
            if status["set"]:
                raise Refused(f"the bit for {status['purpose']} is set")


def secret_multikey(signer: Signer) -> Document:
    """The signer's key as Digital Bazaar's packages take it."""
    key: SigningKey = signer.key
    return {
        "id": signer.method, "controller": signer.controller,
        "publicKeyMultibase": key.public.to_multibase(), "secretKeyMultibase": key.to_multibase(),
    }  # fmt: skip
