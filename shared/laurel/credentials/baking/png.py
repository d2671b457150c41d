"""Badges in PNG: the credential is the text of an `iTXt` chunk (Open Badges 3.0 §5.3.1; PNG third edition §5, §11)."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from laurel.credentials.baking.carried import carried
from laurel.credentials.baking.errors import BakingError, damaged, nothing_baked, older_baked, several_baked
from laurel.credentials.documents import MAX_BYTES

KEYWORD = b"openbadgecredential"
_OLDER_KEYWORD = b"openbadges"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_SIZE = 13
_MAX_CHUNKS = 20_000
_TYPE = re.compile(rb"[A-Za-z]{4}")


@dataclass(frozen=True, slots=True)
class _Chunk:
    type: bytes
    data: memoryview
    start: int
    end: int

    @property
    def keyword(self) -> bytes | None:
        """The keyword of a chunk that may hold a badge: `iTXt`, and `tEXt` in the first Open Badges."""
        return bytes(self.data[:80]).partition(b"\0")[0] if self.type in (b"iTXt", b"tEXt") else None


def is_png(data: bytes) -> bool:
    """Whether `data` begins as a PNG does, or as one that a transfer as text has damaged."""
    return data.startswith(_SIGNATURE[:4])


def bake(image: bytes, text: str) -> bytes:
    """`image` with `text` in one uncompressed `iTXt` chunk ahead of its pixels. Raises BakingError."""
    chunks = list(_chunks(image))
    old = _badge(chunks)
    pixels = next(chunk for chunk in chunks if chunk.type == b"IDAT")
    pieces = [_SIGNATURE]
    for chunk in chunks:
        if chunk is pixels:
            # Keyword, compression flag and method, language and translated keyword, both empty (§11.3.3.4).
            pieces.append(_chunk(b"iTXt", KEYWORD + b"\0\0\0\0\0" + text.encode()))
        if chunk is not old:
            pieces.append(image[chunk.start : chunk.end])
    return b"".join(pieces)


def unbake(image: bytes) -> str:
    """The text of the one `iTXt` chunk with a credential. Raises BakingError."""
    chunks = list(_chunks(image))
    badge = _badge(chunks)
    if badge is None:
        raise older_baked() if any(chunk.keyword == _OLDER_KEYWORD for chunk in chunks) else nothing_baked()
    return carried(_text(bytes(badge.data)))


def _badge(chunks: list[_Chunk]) -> _Chunk | None:
    badges = [chunk for chunk in chunks if chunk.type == b"iTXt" and chunk.keyword == KEYWORD]
    if len(badges) > 1:
        raise several_baked()
    return badges[0] if badges else None


def _chunks(image: bytes) -> Iterator[_Chunk]:
    """The chunks of the image, which is refused if its structure is not that of a PNG (§5.3, §5.6)."""
    if not image.startswith(_SIGNATURE):
        raise damaged("The PNG is damaged: its signature was changed, as a transfer as text does.")
    position, count, pixels, whole = len(_SIGNATURE), 0, False, memoryview(image)
    while True:
        chunk = _chunk_at(whole, position)
        count += 1
        if count > _MAX_CHUNKS:
            raise BakingError(f"The PNG has more than {_MAX_CHUNKS} chunks.")
        if (chunk.type == b"IHDR") != (count == 1) or (count == 1 and len(chunk.data) != _HEADER_SIZE):
            raise damaged("The PNG does not begin with its one header.")
        pixels = pixels or chunk.type == b"IDAT"
        yield chunk
        position = chunk.end
        if chunk.type == b"IEND":
            break
    if not pixels or len(chunk.data) or position != len(image):
        raise damaged("The PNG has no pixels, or something follows its end.")


def _chunk_at(image: memoryview, start: int) -> _Chunk:
    if start + 12 > len(image):
        raise damaged("The PNG is cut off.")
    length, kind = struct.unpack_from(">I4s", image, start)
    end = start + 12 + length
    if not _TYPE.fullmatch(kind) or end > len(image):
        raise damaged("The PNG is damaged or cut off: a chunk has no right type or length.")
    if zlib.crc32(image[start + 4 : end - 4]) != int.from_bytes(image[end - 4 : end]):
        raise damaged(f"The PNG is damaged: the checksum of its {kind.decode()} chunk does not match.")
    return _Chunk(kind, image[start + 8 : end - 4], start, end)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _text(data: bytes) -> bytes:
    # §11.3.3.4: keyword, 0, flag, method, language, 0, translated keyword, 0, text.
    flags, rest = data[len(KEYWORD) + 1 :][:2], data[len(KEYWORD) + 3 :].split(b"\0", 2)
    if len(rest) != 3 or flags not in (b"\0\0", b"\1\0"):
        raise damaged("The badge in the PNG is not a well-formed iTXt chunk.")
    # Open Badges forbids the compression, but tools that make images smaller do it nevertheless.
    return _inflate(rest[2]) if flags[0] else rest[2]


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise damaged("The badge in the PNG is compressed, and damaged.") from error
    if len(text) > MAX_BYTES:
        raise BakingError(f"The badge in the PNG decompresses to more than {MAX_BYTES} bytes.")
    if not stream.eof or stream.unused_data:
        raise damaged("The badge in the PNG is compressed and cut off, or followed by something else.")
    return text
