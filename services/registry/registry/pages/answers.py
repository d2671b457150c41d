"""Answers that anyone may cache and any page may fetch: content negotiation, entity tags, and safe headers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

HTML = "text/html"
JSON = "application/json"
LD_JSON = "application/ld+json"
VC = "application/vc"
CREDENTIAL_JSON = (LD_JSON, JSON, VC, "application/vc+ld+json")
DID_JSON = (JSON, LD_JSON, "application/did", "application/did+json", "application/did+ld+json")
_ACCEPT_LIMIT = 2000

# Whatever a document holds, a page of ours runs no script, loads nothing from elsewhere and sits in no frame.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_COMMON = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff", "Vary": "Accept"}


def choose(accept: str | None, offers: Sequence[str]) -> str:
    """The offer that an Accept header likes best (RFC 9110 §12.5.1); the first of the equally liked.

    A range that names the type goes before one with a wildcard, so that a program that asks for JSON "or
    anything" gets JSON. If nothing is acceptable the first offer is sent all the same, as the RFC allows.
    """
    ranges = [_range(part) for part in (accept or "*/*")[:_ACCEPT_LIMIT].split(",")]
    best, best_score = offers[0], (0.0, -1)
    for offer in offers:
        fitting = [(exactness, quality) for name, quality in ranges if (exactness := _fits(name, offer)) >= 0]
        if not fitting:
            continue
        exactness, quality = max(fitting)  # the most exact range decides, whatever the others say
        if quality > 0 and (quality, exactness) > best_score:
            best, best_score = offer, (quality, exactness)
    return best


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        if parameter.lower().startswith("q="):
            try:
                quality = min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return name.lower(), quality


def _fits(name: str, offer: str) -> int:
    """How exactly a media range names an offer: 2 in full, 1 by its main type, 0 by `*/*`, -1 not at all."""
    if name == offer:
        return 2
    if name == offer.partition("/")[0] + "/*":
        return 1
    return 0 if name == "*/*" else -1


def answer(request: Request, body: bytes, media: str, *, max_age: int) -> Response:
    """The body, or 304 when the caller has it already."""
    tag = f'"{sha256(media.encode() + body).hexdigest()[:32]}"'
    headers = {**_COMMON, "ETag": tag, "Cache-Control": f"public, max-age={max_age}"}
    if _has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers | _for_html(media), media_type=media)


def missing(body: bytes, media: str) -> Response:
    """A 404 with its explanation."""
    return Response(body, 404, {**_COMMON, "Cache-Control": "no-cache"} | _for_html(media), media_type=media)


def _for_html(media: str) -> dict[str, str]:
    if media != HTML:
        return {}
    return {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer"}


def _has(header: str, tag: str) -> bool:
    """Whether If-None-Match names the tag; the comparison is the weak one (RFC 9110 §13.1.2)."""
    given = [each.strip().removeprefix("W/") for each in header[:_ACCEPT_LIMIT].split(",")]
    return tag in given or given == ["*"]
