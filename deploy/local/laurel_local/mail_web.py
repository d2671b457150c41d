"""The mail catcher's HTTP side: a JSON listing, a page to read in, and a switch that makes it fail."""

import html
import re
from email.message import EmailMessage

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from laurel_local.mail_store import Failure, MailStore, header, received_at

# Mail is a stranger's text. It is escaped; should that fail one day, no script and no image of it runs or loads.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "article{border:1px solid #ccc;border-radius:.5rem;padding:0 1rem;margin:1rem 0}"
    "h2{font-size:1.1rem;margin:.8rem 0 0}p{margin:.2rem 0;color:#555}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit}"
)
_LINK = re.compile(r"https?://[^\s<>\"']+")


class MailWeb:
    """The request handlers, over one store."""

    def __init__(self, store: MailStore) -> None:
        self.store = store

    async def page(self, _: Request) -> Response:
        """All mails, the newest first, for a person."""
        mails = [_article(mail_id, self.store.read(mail_id)) for mail_id in reversed(self.store.ids())]
        body = "".join(mails) or "<p>No mail yet.</p>"
        title = f"Mail ({len(mails)})"
        head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        page = f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{title}</h1>{body}</body></html>'
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def listing(self, _: Request) -> Response:
        """All mails, the oldest first, for a program."""
        return JSONResponse([self.store.summary(mail_id) for mail_id in self.store.ids()])

    async def raw(self, request: Request) -> Response:
        """One mail as it came, as text: a browser would save message/rfc822 instead of showing it."""
        try:
            content = self.store.raw(request.path_params["mail_id"])
        except KeyError as error:
            raise HTTPException(404, "no such mail") from error
        return PlainTextResponse(content, headers=PAGE_HEADERS)

    async def clear(self, _: Request) -> Response:
        """Delete every mail."""
        self.store.clear()
        return Response(status_code=204)

    async def fail(self, request: Request) -> Response:
        """Answer the next mails with a failure."""
        try:
            wanted = await request.json()
            failure = Failure(int(wanted["code"]), int(wanted["times"]))
        except (ValueError, TypeError, KeyError) as error:
            raise HTTPException(400, 'expected {"code": 451, "times": 3}') from error
        if not 400 <= failure.code <= 599 or failure.times < 0:
            raise HTTPException(400, "code is an SMTP failure, 400 to 599, and times is not negative")
        self.store.failure = failure
        return Response(status_code=204)

    async def health(self, _: Request) -> Response:
        """Answer that the process is up."""
        return PlainTextResponse("ok")


def build_app(store: MailStore) -> Starlette:
    """The ASGI application over one store."""
    web = MailWeb(store)
    return Starlette(
        routes=[
            Route("/", web.page),
            Route("/messages", web.listing),
            Route("/messages", web.clear, methods=["DELETE"]),
            Route("/messages/{mail_id}", web.raw),
            Route("/fail", web.fail, methods=["POST"]),
            Route("/healthz", web.health),
        ],
        # A web page whose name was pointed at 127.0.0.1 must not read the mail through the reader's browser.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


def _article(mail_id: str, message: EmailMessage) -> str:
    to = ", ".join(str(address) for address in message.get_all("Delivered-To", []))
    when = received_at(mail_id).strftime("%Y-%m-%d %H:%M:%S UTC")
    text, attached = _content(message)
    lines = [
        f"<h2>{html.escape(header(message, 'Subject') or '(no subject)')}</h2>",
        f"<p>To {html.escape(to)} at {when}</p>",
        f"<p>Attached: {html.escape(attached)}</p>" if attached else "",
        f"<pre>{_with_links(text)}</pre>",
        f'<p><a href="/messages/{mail_id}">source</a></p>',
    ]
    return f"<article>{''.join(lines)}</article>"


def _content(message: EmailMessage) -> tuple[str, str]:
    """The text of a mail and the names of what is attached to it."""
    try:
        body = message.get_body(("plain", "html"))
        text = str(body.get_content()) if body else "(no text)"
        names = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
    except Exception:  # unknown encodings, broken structure: one bad mail must not take the page away
        return "(cannot be read: see the source)", ""
    return text, ", ".join(names)


def _with_links(text: str) -> str:
    pieces, end = [], 0
    for link in _LINK.finditer(text):
        address = html.escape(link[0])
        pieces += [html.escape(text[end : link.start()]), f'<a href="{address}">{address}</a>']
        end = link.end()
    return "".join([*pieces, html.escape(text[end:])])
