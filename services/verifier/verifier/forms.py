"""The forms of requests and answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from laurel.credentials.report import Outcome, Reason
from laurel.runtime.web import PROBLEM

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
_REFUSAL = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": dict.fromkeys(("type", "title", "code", "pointer", "detail"), _TEXT)
    | {"status": {"type": "integer"}},
}


def _answers(answer: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    refusal = {PROBLEM: {"schema": _REFUSAL}}
    return {
        200: {"description": "What was found, good or bad.", "content": {"application/json": {"schema": answer}}},
        400: {
            "description": "It is no credential of that issuer: malformed, altered or forged; or the body is wrong.",
            "content": {"application/json": {"schema": answer}, **refusal},
        },
        413: {"description": "The body is too large.", "content": refusal},
        503: {"description": "The verifier is not ready, or has too much to do: try again soon.", "content": refusal},
    }


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
                "description": "What the proof must be bound to. Every check is always made.",
                "properties": {"domain": option, "challenge": option},
            },
        },
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
