"""Baked badges: a credential carried inside the picture that shows it, PNG or SVG (Open Badges 3.0 §5.3).

Baking and unbaking verify nothing: whoever takes a credential out of a picture verifies it like any other. The
picture may come from anyone, so the work is bounded before it begins: the size of the image, of the credential
(after decompression too), the number of PNG chunks, of XML tags and attributes, and their depth.
"""

import re
from types import ModuleType

from laurel.credentials.baking import png, svg
from laurel.credentials.baking.carried import carried, is_jws
from laurel.credentials.baking.errors import BakingError
from laurel.credentials.documents import read_json

__all__ = ["MAX_IMAGE_BYTES", "BakingError", "bake", "is_image", "unbake"]

MAX_IMAGE_BYTES = 10 << 20
"""Bytes an image may have, with the credential in it."""

_SVG_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*+<")
_SVG_TAG = re.compile(rb"<(?:[^\s<>/:]++:)?svg[\s/>]")


def bake(image: bytes, credential: str | bytes) -> bytes:
    """`image` with `credential` in it, JSON text or a compact JWS, in place of one that was there; all else stays.

    Of the credential only the form is looked at, not whether it holds. White space around it is dropped. Raises
    MalformedCredential: BakingError where the image is neither PNG nor SVG, is damaged or hostile, or too large.
    """
    kind = _kind(image)
    text = carried(credential)
    if not is_jws(text):
        read_json(text)
    baked: bytes = kind.bake(image, text)
    unbake(baked)  # The limits hold for the result as well: what was baked can be unbaked.
    return baked


def unbake(image: bytes) -> str:
    """The credential in `image`, JSON text or a compact JWS. It is **not verified**.

    Raises BakingError where there is none or more than one, where it is an Open Badges 2.0 one, or where the image
    is neither PNG nor SVG, is damaged, hostile, or over `MAX_IMAGE_BYTES`.
    """
    text: str = _kind(image).unbake(image)
    return text


def is_image(data: bytes) -> bool:
    """Whether `data` looks like a PNG or an SVG, by its content; no JSON text and no JWS does."""
    return png.is_png(data) or _is_svg(data)


def _is_svg(data: bytes) -> bool:
    return _SVG_START.match(data) is not None and _SVG_TAG.search(data) is not None


def _kind(image: bytes) -> ModuleType:
    if len(image) > MAX_IMAGE_BYTES:
        raise BakingError(f"The image has more than {MAX_IMAGE_BYTES} bytes, credential included; use a smaller one.")
    if png.is_png(image):
        return png
    if _is_svg(image):
        return svg
    raise BakingError("The image is neither PNG nor SVG in UTF-8, the two forms that can carry a badge.")
