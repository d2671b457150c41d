"""The one numbered list of reasons for saying no.

A code is stable: partners' programs and operators' alerts key on it. `Code.meaning` is what the generated
documentation prints; the sentence that goes with one refusal names the field and the mend and is made where
the refusal is made.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import ValidationError

DETAIL_LIMIT = 500


class Code(StrEnum):
    """A refusal's number. 1xxx: a completion; 2xxx: a status request; 3xxx: an HTTP call; 4xxx: a record."""

    MALFORMED_EVENT = "LRL-1001"
    EVENT_TOO_LARGE = "LRL-1002"
    INVALID_FIELD = "LRL-1003"
    SIGNATURE_MISSING = "LRL-1004"
    UNKNOWN_KEY = "LRL-1005"
    SIGNATURE_WRONG = "LRL-1006"
    SOURCE_NOT_REGISTERED = "LRL-1007"
    UNKNOWN_ACHIEVEMENT = "LRL-1008"
    ACHIEVEMENT_NOT_ALLOWED = "LRL-1009"
    DATE_IN_FUTURE = "LRL-1010"
    DATE_TOO_OLD = "LRL-1011"
    DUPLICATE_EVENT = "LRL-1012"
    EVENT_ID_REUSED = "LRL-1013"
    ISSUER_NOT_READY = "LRL-1014"

    UNKNOWN_CREDENTIAL = "LRL-2001"
    TRANSITION_NOT_ALLOWED = "LRL-2002"
    STATUS_NOT_YOURS = "LRL-2003"
    REQUEST_ID_REUSED = "LRL-2004"
    CHANGED_SINCE = "LRL-2005"
    BULK_UNFINISHED = "LRL-2006"

    UNAUTHORIZED = "LRL-3001"
    INVALID_BODY = "LRL-3002"
    BODY_TOO_LARGE = "LRL-3003"
    NOT_FOUND = "LRL-3004"
    CATALOG_CONFLICT = "LRL-3005"
    NOT_READY = "LRL-3006"
    METHOD_NOT_ALLOWED = "LRL-3007"
    NOT_THE_ISSUER = "LRL-3008"
    CREDENTIAL_ID_REUSED = "LRL-3009"
    TOO_BUSY = "LRL-3010"
    FORBIDDEN = "LRL-3011"
    BODY_TOO_SLOW = "LRL-3012"

    UNEXPECTED_FAILURE = "LRL-4001"
    CREDENTIAL_CONFLICT = "LRL-4002"
    PROOF_REFUSED = "LRL-4003"
    UNREADABLE_RECORD = "LRL-4004"

    @property
    def meaning(self) -> str:
        """One line for the documentation: what this code says, whatever the occasion."""
        return _MEANINGS[self]


_MEANINGS = {
    Code.MALFORMED_EVENT: "The record is not a CloudEvent with a JSON body.",
    Code.EVENT_TOO_LARGE: "The record is larger than an event may be.",
    Code.INVALID_FIELD: "A field is missing or has a value it may not have.",
    Code.SIGNATURE_MISSING: "The event carries no signature.",
    Code.UNKNOWN_KEY: "The signature names a key that no partner has registered, or one that was retired.",
    Code.SIGNATURE_WRONG: "The signature does not match the event.",
    Code.SOURCE_NOT_REGISTERED: "The event's source is not one the partner registered.",
    Code.UNKNOWN_ACHIEVEMENT: "The catalog has no such achievement.",
    Code.ACHIEVEMENT_NOT_ALLOWED: "The partner, or the key that it used, may not award this achievement.",
    Code.DATE_IN_FUTURE: "The completion lies in the future.",
    Code.DATE_TOO_OLD: "The completion lies further back than is accepted.",
    Code.DUPLICATE_EVENT: "The same event came before; its credential stands and no second one was made.",
    Code.EVENT_ID_REUSED: "An event with this source and id came before with other content.",
    Code.ISSUER_NOT_READY: "The member that is to issue has no usable signing key here.",
    Code.UNKNOWN_CREDENTIAL: "The registry has no such credential.",
    Code.TRANSITION_NOT_ALLOWED: "The credential's state does not allow this change.",
    Code.STATUS_NOT_YOURS: "The caller may not change this credential's status.",
    Code.REQUEST_ID_REUSED: "A request with this id came before with other content.",
    Code.CHANGED_SINCE: "The credential, or what a bulk change selects, is no longer as it was.",
    Code.BULK_UNFINISHED: "The bulk status change that is referred to is not finished.",
    Code.UNAUTHORIZED: "The key or token is missing or wrong.",
    Code.INVALID_BODY: "The body is not JSON, or a field in it is missing or wrong.",
    Code.BODY_TOO_LARGE: "The body is larger than this call takes.",
    Code.NOT_FOUND: "There is nothing at this address.",
    Code.CATALOG_CONFLICT: "The catalog contradicts itself or what was published before.",
    Code.NOT_READY: "The service cannot answer yet.",
    Code.METHOD_NOT_ALLOWED: "The address does not take this HTTP method.",
    Code.NOT_THE_ISSUER: "The credential's issuer is no member that this Laurel issues for.",
    Code.CREDENTIAL_ID_REUSED: "A credential with this id was issued before with other content.",
    Code.TOO_BUSY: "The service has more requests in hand than it takes at once.",
    Code.FORBIDDEN: "The token is known, and its operator lacks the right to do this.",
    Code.BODY_TOO_SLOW: "The body did not arrive in the time that it may take.",
    Code.UNEXPECTED_FAILURE: "Handling the record failed for a reason nobody foresaw.",
    Code.CREDENTIAL_CONFLICT: "A credential with this id is registered with other content.",
    Code.PROOF_REFUSED: "A credential or list from the issuer did not verify against the catalog.",
    Code.UNREADABLE_RECORD: "A record between services does not have its contract's form.",
}


class Rejected(Exception):  # noqa: N818 - a decision, not a fault
    """The sender's fault: nothing was done, and the sender can mend it.

    `pointer` is a JSON pointer (RFC 6901) into the event's data, or empty for the whole; `detail` is one
    sentence that names the field and the mend and quotes no personal data.
    """

    def __init__(self, code: Code, pointer: str, detail: str) -> None:
        super().__init__(f"{code} at {pointer or '/'}: {detail}")
        self.code = code
        self.pointer = pointer
        self.detail = detail[:DETAIL_LIMIT]


def pointer_of(location: tuple[int | str, ...]) -> str:
    """A pydantic error location as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def rejection_of(error: ValidationError, code: Code = Code.INVALID_FIELD) -> Rejected:
    """The first finding of a validation as a `Rejected`; the offending value is not repeated."""
    more = error.error_count() - 1
    others = f" ({more} more finding{'s' if more > 1 else ''} in this record)" if more else ""
    first = rejections_of(error, code)[0]
    return Rejected(first.code, first.pointer, first.detail + others)


def rejections_of(error: ValidationError, code: Code = Code.INVALID_FIELD) -> list[Rejected]:
    """Every finding of a validation as a `Rejected`; the offending values are not repeated."""
    findings = error.errors(include_url=False, include_input=False, include_context=False)
    return [_rejection(finding["type"], pointer_of(finding["loc"]), finding["msg"], code) for finding in findings]


def _rejection(kind: str, pointer: str, message: str, code: Code) -> Rejected:
    what = message.removeprefix("Value error, ").rstrip(".")
    if kind == "missing":
        return Rejected(code, pointer, f"The field {pointer} is missing: add it.")
    if kind == "json_invalid":
        return Rejected(Code.MALFORMED_EVENT, "", f"The body is not JSON: {what}.")
    if kind == "extra_forbidden":
        return Rejected(code, pointer, f"The field {pointer} is not known: correct its name or remove it.")
    return Rejected(code, pointer, f"The field {pointer or '/'} is not right: {what}. Correct it.")
