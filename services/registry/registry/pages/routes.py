"""The addresses of the public record. All of them are for reading, and none asks who reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from urllib.parse import urlsplit

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from laurel.contracts.addresses import Addresses
from laurel.contracts.errors import Code
from laurel.credentials.controller_documents import did_document
from laurel.runtime import openapi, web
from laurel.runtime.clock import Clock
from registry.catalog import Kind
from registry.domain import methods
from registry.pages.answers import CREDENTIAL_JSON, DID_JSON, HTML, VC, answer, choose, missing
from registry.pages.views import achievement_document, badge_view, generic_view, issuer_document, render
from registry.store import Store

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_SHOWN = 200  # achievements on a member's page
_STATE_AGE = 5  # a page that shows a status must not outlive it for long
_CATALOG_AGE = 60
_KEYS_AGE = 300
_DOCUMENT_AGE = 300  # a signed document never changes
_ASSET_AGE = 86_400
_DATA = ".json"


class PublicRecord:
    """What each public address answers with."""

    def __init__(self, store: Store, addresses: Addresses, clock: Clock) -> None:
        self._store = store
        self._addresses = addresses
        self._clock = clock
        self._base = urlsplit(addresses.public_url).path  # our own host, by whatever name it was reached
        self._style = files("registry.pages").joinpath("assets/laurel.css").read_bytes()

    def router(self) -> APIRouter:
        """The routes. The last one takes what no other has taken, so this router is included last."""
        router = APIRouter(tags=["public record"])
        documents = (*CREDENTIAL_JSON, HTML)
        for path, endpoint, summary, media in (
            ("/", self.home, "What this registry is", (HTML,)),
            ("/credentials/{name}", self.credential, "A credential: the signed document, or a page with its state",
             documents),
            ("/status-lists/{name}", self.status_list, "A signed status list", CREDENTIAL_JSON),
            ("/issuers/{name}/did.json", self.did, "A member's DID document with its keys", DID_JSON),
            ("/issuers/{name}", self.issuer, "A member: Open Badges Profile, or a page", documents),
            ("/achievements/{name}", self.achievement, "What can be earned: Open Badges Achievement, or a page",
             documents),
            ("/assets/laurel.css", self.style, "The pages' style sheet", ("text/css",)),
        ):  # fmt: skip
            router.add_api_route(
                path, endpoint, methods=["GET"], summary=summary, response_class=Response,
                responses=_answers(media, named="{" in path),
            )  # fmt: skip
            router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
        router.add_api_route("/{path:path}", self.nothing, methods=["GET", "HEAD"], include_in_schema=False)
        return router

    async def credential(self, request: Request, name: str) -> Response:
        """`/credentials/TOKEN.json` is the document whatever is asked for: what a page can link to."""
        token = name.removesuffix(_DATA)
        stored = await self._store.credential_of_token(token) if _NAME.fullmatch(token) else None
        if stored is None:
            return await self._missing(request, "credential")
        media = _media(request, name, CREDENTIAL_JSON)
        if media != HTML:
            return answer(request, stored.document.encode(), media, max_age=_DOCUMENT_AGE)
        url, issuer_page = self._addresses.credential(token), self._addresses.issuer(stored.issuer)
        if stored.achievement is not None:
            badge, state = badge_view(stored, self._clock())
            return await self._page(
                request, "credential.html", _STATE_AGE, badge=badge, state=state, url=url, issuer_page=issuer_page
            )
        generic, state = generic_view(stored, self._clock())
        issuer = await self._store.issuer(stored.issuer)
        return await self._page(
            request, "generic.html", _STATE_AGE, credential=generic, state=state, url=url, issuer_page=issuer_page,
            issuer=issuer.name if issuer is not None else stored.issuer,
        )  # fmt: skip

    async def status_list(self, request: Request, name: str) -> Response:
        """As fresh as the list itself says it must be."""
        stored = await self._store.status_list(name) if _NAME.fullmatch(name) else None
        if stored is None:
            return await self._missing(request, "status list")
        media = choose(request.headers.get("accept"), CREDENTIAL_JSON)
        return answer(request, stored.document.encode(), media, max_age=stored.ttl_ms // 1000)

    async def did(self, request: Request, name: str) -> Response:
        """Retired keys stay, marked as such, so that what they signed can still be verified."""
        issuer = await self._store.issuer(name) if _NAME.fullmatch(name) else None
        if issuer is None:
            return await self._missing(request, "member")
        body = orjson.dumps(did_document(issuer.did, methods(issuer)))
        return answer(request, body, choose(request.headers.get("accept"), DID_JSON), max_age=_KEYS_AGE)

    async def issuer(self, request: Request, name: str) -> Response:
        """A member."""
        slug = name.removesuffix(_DATA)
        issuer = await self._store.issuer(slug) if _NAME.fullmatch(slug) else None
        if issuer is None:
            return await self._missing(request, "member")
        media = _media(request, name)
        if media != HTML:
            return answer(request, issuer_document(issuer), media, max_age=_CATALOG_AGE)
        achievements = await self._store.achievements_of(slug, _SHOWN)
        achievements.sort(key=lambda each: each.name.casefold())
        return await self._page(
            request, "issuer.html", _CATALOG_AGE, issuer=issuer, achievements=achievements, shown=_SHOWN,
            url=self._addresses.issuer(slug), now=self._clock(),
        )  # fmt: skip

    async def achievement(self, request: Request, name: str) -> Response:
        """What can be earned."""
        slug = name.removesuffix(_DATA)
        achievement = await self._store.achievement(slug) if _NAME.fullmatch(slug) else None
        if achievement is None:
            return await self._missing(request, "achievement")
        issuer = await self._store.issuer(achievement.issuer)
        media = _media(request, name)
        if media != HTML:
            return answer(request, achievement_document(achievement, issuer), media, max_age=_CATALOG_AGE)
        return await self._page(
            request, "achievement.html", _CATALOG_AGE, achievement=achievement, issuer=issuer,
            issuer_page=self._addresses.issuer(achievement.issuer),
        )  # fmt: skip

    async def home(self, request: Request) -> Response:
        """For people only; programs begin at a credential."""
        entries = (await self._store.entries(Kind.ISSUER)).values()
        members = sorted((entry.published() for entry in entries), key=lambda member: member.name.casefold())
        return await self._page(
            request, "home.html", _CATALOG_AGE, members=[(each, self._addresses.issuer(each.id)) for each in members]
        )

    async def style(self, request: Request) -> Response:
        """The one style sheet."""
        return answer(request, self._style, "text/css", max_age=_ASSET_AGE)

    async def nothing(self, request: Request) -> Response:
        """Whatever is not there."""
        return await self._missing(request, "page")

    async def _page(self, request: Request, template: str, max_age: int, **values: object) -> Response:
        return answer(request, await self._html(template, **values), HTML, max_age=max_age)

    async def _missing(self, request: Request, what: str) -> Response:
        if choose(request.headers.get("accept"), (*CREDENTIAL_JSON, HTML)) == HTML:
            return missing(await self._html("missing.html", what=what), HTML)
        refusal = web.problem(404, Code.NOT_FOUND, f"There is no such {what} here: check the address.")
        return missing(bytes(refusal.body), web.PROBLEM)

    async def _html(self, template: str, **values: object) -> bytes:
        consortium = await self._store.consortium()
        return render(template, consortium=consortium, base=self._base, **values)


def _answers(media: Sequence[str], *, named: bool) -> openapi.Responses:
    """What a public address answers with, for the OpenAPI document."""
    found = {each: {"schema": {"type": "object"} if "json" in each or each == VC else {"type": "string"}}
             for each in media}  # fmt: skip
    missing = openapi.answer("There is no such thing here.", web.PROBLEM, HTML)
    missed: openapi.Responses = {404: missing} if named else {}
    away = openapi.problems({503: "The database does not answer: try again."})
    unchanged: openapi.Responses = {304: {"description": "The caller has it already."}}
    return {200: {"description": "It.", "content": found}, **unchanged, **missed, **away}


def _media(request: Request, name: str, json: tuple[str, ...] = CREDENTIAL_JSON) -> str:
    """What to answer with: a page only to who asks for HTML, and never at an address that ends in .json."""
    return choose(request.headers.get("accept"), json if name.endswith(_DATA) else (*json, HTML))
