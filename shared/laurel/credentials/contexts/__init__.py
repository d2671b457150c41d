"""The JSON-LD contexts, shipped as data and never fetched.

What a signature covers depends on the contexts, so whoever serves them could change what a credential says.
`SOURCES.md` names where each file comes from and its digest.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import orjson

from laurel.credentials.documents import MAX_NESTING
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.values import pointer

CREDENTIALS_V1 = "https://www.w3.org/2018/credentials/v1"
CREDENTIALS_V2 = "https://www.w3.org/ns/credentials/v2"
CREDENTIALS_EXAMPLES_V2 = "https://www.w3.org/ns/credentials/examples/v2"
UNDEFINED_TERMS_V2 = "https://www.w3.org/ns/credentials/undefined-terms/v2"
STATUS_LIST_2021_V1 = "https://w3id.org/vc/status-list/2021/v1"
DATA_INTEGRITY_V1 = "https://w3id.org/security/data-integrity/v1"
DATA_INTEGRITY_V2 = "https://w3id.org/security/data-integrity/v2"
MULTIKEY_V1 = "https://w3id.org/security/multikey/v1"
DID_V1 = "https://www.w3.org/ns/did/v1"
ED25519_2020_V1 = "https://w3id.org/security/suites/ed25519-2020/v1"
OPEN_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
OPEN_BADGES_3_0 = "https://purl.imsglobal.org/spec/ob/v3p0/context.json"
OPEN_BADGES_3_0_1 = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json"
OPEN_BADGES_3_0_2 = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json"
CLR_2_0_1 = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"
OPEN_BADGES_EXTENSIONS = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"

FILES: Mapping[str, str] = {
    CREDENTIALS_V1: "credentials-v1.json",
    CREDENTIALS_V2: "credentials-v2.json",
    CREDENTIALS_EXAMPLES_V2: "credentials-examples-v2.json",
    UNDEFINED_TERMS_V2: "undefined-terms-v2.json",
    STATUS_LIST_2021_V1: "status-list-2021-v1.json",
    DATA_INTEGRITY_V1: "data-integrity-v1.json",
    DATA_INTEGRITY_V2: "data-integrity-v2.json",
    MULTIKEY_V1: "multikey-v1.json",
    DID_V1: "did-v1.json",
    ED25519_2020_V1: "ed25519-2020-v1.json",
    OPEN_BADGES: "open-badges-3.0.3.json",
    OPEN_BADGES_3_0: "open-badges-3.0.json",
    OPEN_BADGES_3_0_1: "open-badges-3.0.1.json",
    OPEN_BADGES_3_0_2: "open-badges-3.0.2.json",
    CLR_2_0_1: "clr-2.0.1.json",
    OPEN_BADGES_EXTENSIONS: "open-badges-extensions.json",
}

AS_SERVED = frozenset(
    {
        CREDENTIALS_V2, CREDENTIALS_EXAMPLES_V2, DATA_INTEGRITY_V1, DATA_INTEGRITY_V2, MULTIKEY_V1, OPEN_BADGES,
        OPEN_BADGES_EXTENSIONS,
    }
)  # fmt: skip
"""The contexts whose files are known to be what their URLs serve, byte for byte; others may differ in white space."""

# Each reference becomes up to 15 kB of context, so a small document could otherwise grow a thousandfold.
MAX_REFERENCES = 32


def raw(url: str) -> bytes:
    """The file of the context at `url`; see `AS_SERVED`. Raises KeyError for an unknown URL."""
    return resources.files(__package__).joinpath(FILES[url]).read_bytes()


@cache
def load(file: str) -> dict[str, Any]:
    """The context document in `file`."""
    document: dict[str, Any] = orjson.loads(resources.files(__package__).joinpath(file).read_bytes())
    return document


class _Bundled(Mapping[str, dict[str, Any]]):
    """URL → context document, each read from the package when it is first asked for."""

    def __getitem__(self, url: str) -> dict[str, Any]:
        return load(FILES[url])

    def __iter__(self) -> Iterator[str]:
        return iter(FILES)

    def __len__(self) -> int:
        return len(FILES)


CONTEXTS: Mapping[str, dict[str, Any]] = _Bundled()


def inline(document: dict[str, Any]) -> dict[str, Any]:
    """A copy of `document` with every context URL, at any depth, replaced by the context itself.

    Raises MalformedCredential for a URL that is not bundled, for nesting deeper than 64, for more than 32
    context references, and for values that JSON does not have (such as NaN).
    """
    return inline_with(document, lambda url: CONTEXTS[url]["@context"])


def inline_with(document: dict[str, Any], context_at: Callable[[str], Any]) -> dict[str, Any]:
    """As `inline`, with the context for each URL from `context_at`, which raises KeyError for an unknown one."""
    result: dict[str, Any] = _Inliner(context_at).value(document, ())
    return result


def unknown_context(url: str, path: tuple[str | int, ...]) -> MalformedCredential:
    """The error for a context that is not bundled."""
    return MalformedCredential(
        f"The context {url[:200]!r} is not known here, and contexts are never fetched;"
        " use the contexts of VC 2.0 and Open Badges 3.0.3.",
        pointer=pointer(*path),
    )


class _Inliner:
    def __init__(self, context_at: Callable[[str], Any]) -> None:
        self.context_at = context_at
        self.references = 0

    def value(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            self._check_depth(path)
            return {
                key: self._context(item, (*path, key)) if key == "@context" else self.value(item, (*path, key))
                for key, item in value.items()
            }
        if isinstance(value, list):
            self._check_depth(path)
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        # The JSON encoder would write null for these, and the signature would then cover something else.
        if isinstance(value, float) and not math.isfinite(value):
            raise MalformedCredential("A number must be finite.", pointer=pointer(*path))
        return value

    def _context(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, list):
            return [self._context_entry(item, (*path, index)) for index, item in enumerate(value)]
        return self._context_entry(value, path)

    def _context_entry(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(value, str):
            return self.value(value, path)
        self.references += 1
        if self.references > MAX_REFERENCES:
            raise MalformedCredential(
                f"The document refers to contexts more than {MAX_REFERENCES} times.", pointer=pointer(*path)
            )
        try:
            return self.context_at(value)
        except KeyError:
            raise unknown_context(value, path) from None

    @staticmethod
    def _check_depth(path: tuple[str | int, ...]) -> None:
        if len(path) >= MAX_NESTING:
            raise MalformedCredential(
                f"The document is nested deeper than {MAX_NESTING} levels.", pointer=pointer(*path)
            )
