"""The forms of requests and answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from laurel.credentials.report import Outcome, Reason
from laurel.runtime import openapi

_TEXT = {"type": "string"}
_TEXT_OR_NONE = {"type": ["string", "null"]}
_OUTCOME = {"type": "string", "enum": [each.value for each in Outcome]}

_STEP = {
    "type": "object",
    "required": ["name", "outcome", "reason", "code", "pointer", "detail"],
    "properties": {
        "name": _TEXT,
        "outcome": _OUTCOME,
        "reason": {"enum": [*(each.value for each in Reason), None]},
        "code": _TEXT_OR_NONE,
        "pointer": _TEXT_OR_NONE,
        "detail": _TEXT,
    },
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "detail"],
    "properties": dict.fromkeys(("type", "title", "detail", "code", "step", "outcome"), _TEXT)
    | {"reason": _TEXT_OR_NONE, "pointer": _TEXT_OR_NONE},
}
_REPORT: dict[str, Any] = {
    "type": "object",
    "required": ["outcome", "verified", "asOf", "steps"],
    "properties": {
        "outcome": _OUTCOME,
        "verified": {"type": "boolean"},
        "asOf": {"type": "string", "format": "date-time"},
        "steps": {"type": "array", "items": _STEP},
    },
}
_ANSWER: dict[str, Any] = {
    "type": "object",
    "required": [*_REPORT["required"], "problemDetails"],
    "properties": _REPORT["properties"] | {"problemDetails": {"type": "array", "items": _PROBLEM}},
}
_ANSWER_ON_PRESENTATION: dict[str, Any] = {
    "type": "object",
    "required": [*_ANSWER["required"], "credentials"],
    "properties": _ANSWER["properties"] | {"credentials": {"type": "array", "items": _REPORT}},
}


def _answers(schema: openapi.Schema) -> openapi.Responses:
    refusals = openapi.problems(
        {
            400: "It is no credential of that issuer: malformed, altered or forged; or the body is wrong.",
            408: "The body took too long to arrive.",
            413: "The body is too large.",
            503: "The verifier is not ready, or has too much to do: try again soon.",
        }
    )
    found = openapi.answer("What was found, good or bad.", "application/json", schema=schema)
    refusals[400]["content"] = found["content"] | refusals[400]["content"]  # a report, or that there is none
    return {200: found, **refusals}


ANSWERS = _answers(_ANSWER)
ANSWERS_ON_PRESENTATIONS = _answers(_ANSWER_ON_PRESENTATION)


def body(name: str) -> dict[str, Any]:
    """The request body whose member `name` is to be verified."""
    document = "A JSON object with an embedded proof or an envelope, or a JWT as a string."
    option = {"type": "string", "minLength": 1, "maxLength": 500}
    schema = {
        "type": "object",
        "required": [name],
        "properties": {
            name: {"type": ["object", "string"], "description": document},
            "options": {
                "type": "object",
                "description": "What the proof must be bound to, and the e-mail address of whom a credential must be"
                " about. Every check is always made.",
                "properties": {"domain": option, "challenge": option, "recipient": option},
            },
        },
    }
    return openapi.body(schema)
