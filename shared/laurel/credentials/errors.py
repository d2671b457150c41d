"""What can be wrong with a credential, in the standards' own terms.

Untrusted input raises `CredentialError` and nothing else. `Unavailable` stands apart on purpose: that
something could not be reached says nothing about the credential, and must never be taken for an answer.
"""

_VC = "https://www.w3.org/TR/vc-data-model#"
_SECURITY = "https://w3id.org/security#"
_STATUS = "https://www.w3.org/ns/credentials/status-list#"

# The sections "Problem Details" of VC Data Model 2.0, "Processing Errors" of Data Integrity 1.0, of Controlled
# Identifiers 1.0 and of Bitstring Status List 1.0.
_PROBLEM_TYPES = {
    code: vocabulary + code
    for vocabulary, codes in {
        _VC: ("PARSING_ERROR", "CRYPTOGRAPHIC_SECURITY_ERROR", "MALFORMED_VALUE_ERROR", "RANGE_ERROR"),
        _SECURITY: (
            "PROOF_VERIFICATION_ERROR",
            "PROOF_GENERATION_ERROR",
            "PROOF_TRANSFORMATION_ERROR",
            "INVALID_DOMAIN_ERROR",
            "INVALID_CHALLENGE_ERROR",
            "INVALID_VERIFICATION_METHOD_URL",
            "INVALID_VERIFICATION_METHOD",
            "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT",
            "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT_ID",
            "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD",
        ),
        _STATUS: ("STATUS_RETRIEVAL_ERROR", "STATUS_VERIFICATION_ERROR", "STATUS_LIST_LENGTH_ERROR"),
    }.items()
    for code in codes
}


class CredentialError(ValueError):
    """Something about a credential, a key document or a status list is wrong.

    `code` is stable and machine-readable, `pointer` is the JSON pointer (RFC 6901) to the value that is
    wrong ("" for the whole document), and `detail` is one sentence that names the field and the mend.
    """

    default_code = "MALFORMED_VALUE_ERROR"

    def __init__(self, detail: str, *, pointer: str = "", code: str | None = None) -> None:
        super().__init__(f"{pointer or '/'}: {detail}")
        self.detail = detail
        self.pointer = pointer
        self.code = code or self.default_code

    @property
    def problem_type(self) -> str:
        """The problem type URL of RFC 9457 for `code`; `about:blank` where no standard names one."""
        return _PROBLEM_TYPES.get(self.code, "about:blank")


class MalformedCredential(CredentialError):  # noqa: N818 - says what is wrong, as the others do
    """The document is not a credential this library understands."""


class UnsupportedCredential(MalformedCredential):
    """The document may be well formed elsewhere, but what it does is more than this library can check."""

    default_code = "UNSUPPORTED_DOCUMENT"


class LintError(CredentialError):
    """The document may be a credential, but not one that Laurel would sign."""


class ProofError(CredentialError):
    """The proof is missing, malformed, or does not hold."""

    default_code = "PROOF_VERIFICATION_ERROR"


class StatusListError(CredentialError):
    """The status entry, the status list, or how the two fit together is wrong."""

    default_code = "STATUS_VERIFICATION_ERROR"


class KeyResolutionError(CredentialError):
    """A key, a DID or a DID document is malformed, or the key is not there."""

    default_code = "INVALID_VERIFICATION_METHOD"


class Unavailable(Exception):  # noqa: N818 - not an error of anything it names
    """A key or a status list could not be reached, so the answer is unknown, neither yes nor no."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
