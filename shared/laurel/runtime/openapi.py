"""OpenAPI documents that say all that a service answers, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter

Schema = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]

PROBLEM = "application/problem+json"
_SCHEMAS = "#/components/schemas/"
_PROBLEM_SCHEMA: Schema = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "description": "The kind of problem, a URI."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "The kind of problem in short, for programs."},
        "pointer": {"type": "string", "description": "A JSON pointer to the culprit in the body; empty for all of it."},
        "detail": {"type": "string", "description": "One sentence that says what to mend."},
    },
}


def problems(descriptions: Mapping[int, str]) -> Responses:
    """Answers with a problem document, by status."""
    content = {PROBLEM: {"schema": {"$ref": _SCHEMAS + "Problem"}}}
    return {status: {"description": text, "content": content} for status, text in descriptions.items()}


def body(schema: Schema | type[BaseModel] | TypeAdapter[Any]) -> dict[str, Any]:
    """A body that the service reads by hand, as FastAPI's `openapi_extra`."""
    if isinstance(schema, TypeAdapter):
        schema = schema.json_schema(by_alias=True, ref_template=_SCHEMAS + "{model}")
    elif not isinstance(schema, dict):
        schema = schema.model_json_schema(by_alias=True, ref_template=_SCHEMAS + "{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answer(description: str, *media: str, schema: Schema | type[BaseModel] | None = None) -> dict[str, Any]:
    """One answer: its media types, all with the same schema."""
    if schema is not None and not isinstance(schema, dict):
        schema = schema.model_json_schema(by_alias=True, mode="serialization", ref_template=_SCHEMAS + "{model}")
    return {"description": description, "content": {each: {"schema": schema or {}} for each in media}}


def complete(app: FastAPI) -> None:
    """Let the application describe itself completely, once all of its routes are there."""

    def describe() -> Schema:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for operations in document["paths"].values():
                for operation in operations.values():
                    # What FastAPI would answer to what is not right; `web` answers 400.
                    if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                        del operation["responses"]["422"]
            schemas |= {"Problem": _PROBLEM_SCHEMA} | _lifted(document)
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign] # how FastAPI has it done


def _lifted(node: Any) -> dict[str, Schema]:
    """The definitions that schemas brought along, taken out to where their references point."""
    found: dict[str, Schema] = {}
    if isinstance(node, dict):
        found |= node.pop("$defs", {})
        for each in [*node.values(), *found.values()]:
            found = found | _lifted(each)
    elif isinstance(node, list):
        for each in node:
            found |= _lifted(each)
    return found
