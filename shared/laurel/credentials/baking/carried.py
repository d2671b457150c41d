"""The text that an image carries: the JSON of a credential or a compact JWS (Open Badges 3.0 §5.3)."""

import re

from laurel.credentials.baking.errors import BakingError, damaged
from laurel.credentials.documents import MAX_BYTES

# RFC 7515 §7.1. An empty signature is for whoever verifies to refuse.
_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


def carried(credential: str | bytes) -> str:
    """`credential` as text, without white space around it.

    Raises BakingError unless it is UTF-8 of at most `MAX_BYTES` and looks like JSON or a compact JWS.
    """
    try:
        raw = credential.encode() if isinstance(credential, str) else credential
        text = raw.strip(b" \t\r\n").decode()
    except UnicodeError as error:
        raise damaged("The credential is not UTF-8.") from error
    if len(raw) > MAX_BYTES:
        raise BakingError(f"The credential has more than {MAX_BYTES} bytes.")
    if not text.startswith("{") and not is_jws(text):
        raise damaged("The credential is neither a JSON object nor a compact JWS.")
    return text


def is_jws(text: str) -> bool:
    """Whether `text` is written like a compact JWS."""
    return _JWS.fullmatch(text) is not None
