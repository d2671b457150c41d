"""Badges in PNG: the picture stays, the credential comes out as it went in, and nothing hostile gets far."""

import tracemalloc
import zlib
from io import BytesIO
from typing import Any

import oxipng
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo, iTXt

from laurel.credentials.baking import MAX_IMAGE_BYTES, BakingError, bake, is_image, unbake
from laurel.credentials.documents import MAX_BYTES
from laurel.credentials.errors import MalformedCredential
from support.pictures import CREDENTIALS, SIGNATURE, animated_png, badge_chunk, chunk, chunks, png, with_chunks

JWT = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.c2ln"
PICTURES = {mode: png(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")} | {
    "text": png(text={"Comment": "né ☃", "Title": "x"}),
    "animated": animated_png(),
    "large": png(size=(700, 500)),
}
PLAIN = PICTURES["RGB"]


def shown(image: bytes) -> Any:
    """What Pillow shows of each frame, and what it knows of the picture, badge aside."""
    with Image.open(BytesIO(image)) as picture:
        about = {name: value for name, value in picture.info.items() if name != "openbadgecredential"}
        frames = []
        for frame in range(getattr(picture, "n_frames", 1)):
            picture.seek(frame)
            frames.append((picture.mode, picture.size, picture.getpalette(), picture.tobytes()))
        return about, frames


def saved_again(image: bytes, *, compressed: bool) -> bytes:
    with Image.open(BytesIO(image)) as picture:
        picture.load()
        information = PngInfo()
        for keyword, value in picture.text.items():  # type: ignore[attr-defined]
            information.add_itxt(keyword, value, zip=compressed)
        file = BytesIO()
        picture.save(file, "PNG", pnginfo=information, optimize=True)
    return file.getvalue()


@pytest.mark.parametrize("name", PICTURES)
@settings(max_examples=10, deadline=None)
@given(credential=CREDENTIALS)
def test_the_credential_comes_out_as_it_went_in_and_the_picture_stays(name: str, credential: str) -> None:
    baked = bake(PICTURES[name], credential)

    assert unbake(baked) == credential
    assert shown(baked) == shown(PICTURES[name])
    before, after = chunks(PICTURES[name]), chunks(baked)
    added = badge_chunk(credential.encode())
    assert [each for each in after if each != added] == before
    assert after.count(added) == 1


def test_another_reader_finds_the_badge_before_it_decodes_the_picture() -> None:
    with Image.open(BytesIO(bake(PLAIN, '{"name": "né"}'))) as picture:
        text = picture.info["openbadgecredential"]
    assert isinstance(text, iTXt)
    assert (text, text.lang, text.tkey) == ('{"name": "né"}', "", "")


@settings(max_examples=25, deadline=None)
@given(first=CREDENTIALS, second=CREDENTIALS, name=st.sampled_from(sorted(PICTURES)))
def test_baking_again_replaces(first: str, second: str, name: str) -> None:
    assert bake(bake(PICTURES[name], first), second) == bake(PICTURES[name], second)


@pytest.mark.parametrize("compressed", [False, True])
@settings(max_examples=20, deadline=None)
@given(credential=CREDENTIALS)
def test_a_badge_that_an_image_library_saved_again_is_read(compressed: bool, credential: str) -> None:
    again = saved_again(bake(PICTURES["RGBA"], credential), compressed=compressed)

    assert unbake(again) == credential
    # Baking makes of it one that Open Badges allows.
    assert badge_chunk(credential.encode()) in chunks(bake(again, credential))


def test_a_badge_that_an_optimiser_made_smaller_is_read() -> None:
    baked = bake(PICTURES["large"], '{"name": "né"}')

    smaller = oxipng.optimize_from_memory(baked, level=2)

    assert len(smaller) < len(baked)
    assert unbake(smaller) == '{"name": "né"}'


def test_white_space_around_the_credential_is_dropped() -> None:
    assert unbake(bake(PLAIN, f" {JWT}\r\n".encode())) == JWT
    assert unbake(with_chunks(PLAIN, badge_chunk(b"\n{}\t"))) == "{}"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    baked = bytearray(bake(PLAIN, JWT))
    where = data.draw(st.integers(0, len(baked) - 1))
    baked[where] ^= data.draw(st.integers(1, 255))

    with pytest.raises(BakingError):
        unbake(bytes(baked))


def test_a_picture_that_is_cut_off_is_noticed() -> None:
    baked = bake(PLAIN, JWT)
    for length in range(len(baked)):
        with pytest.raises(BakingError):
            unbake(baked[:length])


HEADER, PIXELS, END = chunks(png("L", (1, 1)))[0], chunk(b"IDAT", b"x"), chunk(b"IEND", b"")
MALFORMED = {
    "no header": [PIXELS, END],
    "header not first": [PIXELS, HEADER, END],
    "two headers": [HEADER, HEADER, PIXELS, END],
    "short header": [chunk(b"IHDR", b"x"), PIXELS, END],
    "no pixels": [HEADER, END],
    "no end": [HEADER, PIXELS],
    "something in the end": [HEADER, PIXELS, chunk(b"IEND", b"x")],
    "something after the end": [HEADER, PIXELS, END, badge_chunk(JWT.encode())],
    "a type that is none": [HEADER, chunk(b"a\0bc", b""), PIXELS, END],
    "a length beyond the end": [HEADER, PIXELS, b"\xff\xff\xff\xffIEND\0\0\0\0"],
    "too many chunks": [HEADER, chunk(b"teXt", b"") * 30_000, PIXELS, END],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_png_is_refused(name: str) -> None:
    image = SIGNATURE + b"".join(MALFORMED[name])

    assert is_image(image)
    for attempt in (lambda: unbake(image), lambda: bake(image, JWT)):
        with pytest.raises(BakingError, match="PNG"):
            attempt()


def test_transfer_as_text_is_named() -> None:
    with pytest.raises(BakingError, match="transfer as text"):
        unbake(bake(PLAIN, JWT).replace(b"\r\n", b"\n"))


BADGES = {
    "several": ([badge_chunk(b"{}"), badge_chunk(b"{}")], "more than one"),
    "one of them compressed": ([badge_chunk(b"{}"), badge_chunk(b"{}", compressed=True)], "more than one"),
    "none": ([], "no Open Badges 3.0"),
    "Open Badges 2.0": ([badge_chunk(b"{}", keyword=b"openbadges")], "Open Badges 2.0 or older"),
    "Open Badges 0.5": ([chunk(b"tEXt", b"openbadges\0https://x.example/1")], "Open Badges 2.0 or older"),
    "not text": ([badge_chunk(b"{\xff}")], "UTF-8"),
    "empty": ([badge_chunk(b"")], "neither a JSON object nor a compact JWS"),
    "an address": ([badge_chunk(b"https://x.example/1")], "neither a JSON object nor a compact JWS"),
    "no text": ([chunk(b"iTXt", b"openbadgecredential\0\0\0en\0")], "well-formed iTXt"),
    "keyword alone": ([chunk(b"iTXt", b"openbadgecredential")], "well-formed iTXt"),
    "unknown compression": ([chunk(b"iTXt", b"openbadgecredential\0\1\1\0\0{}")], "well-formed iTXt"),
    "not compressed": ([chunk(b"iTXt", b"openbadgecredential\0\1\0\0\0{}")], "compressed, and damaged"),
    "cut off": ([chunk(b"iTXt", b"openbadgecredential\0\1\0\0\0" + zlib.compress(b"{}")[:-1])], "cut off"),
    "followed": ([chunk(b"iTXt", b"openbadgecredential\0\1\0\0\0" + zlib.compress(b"{}") + b"{}")], "followed"),
    "too long": ([badge_chunk(b"{" + b" " * MAX_BYTES + b"}")], "bytes"),
}


@pytest.mark.parametrize("name", BADGES)
def test_a_badge_that_is_none_is_refused_by_name(name: str) -> None:
    added, reason = BADGES[name]

    with pytest.raises(BakingError, match=reason):
        unbake(with_chunks(PLAIN, *added))


def test_several_badges_are_not_replaced_by_one() -> None:
    with pytest.raises(BakingError, match="more than one"):
        bake(with_chunks(PLAIN, badge_chunk(b"{}"), badge_chunk(b"{}")), JWT)


def test_an_older_badge_beside_the_credential_stays_and_does_not_count() -> None:
    older = badge_chunk(b"{}", keyword=b"openbadges")

    baked = bake(with_chunks(PLAIN, older), JWT)

    assert unbake(baked) == JWT
    assert older in chunks(baked)


def test_a_bomb_is_not_unpacked() -> None:
    # 100 MB of zeros in 100 kB.
    image = with_chunks(PLAIN, badge_chunk(bytes(100 << 20), compressed=True))
    assert len(image) < 200_000

    tracemalloc.start()
    with pytest.raises(BakingError, match="decompresses to more than"):
        unbake(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4 * MAX_BYTES


def test_the_limit_of_an_image_holds_with_the_credential_in_it() -> None:
    room = MAX_IMAGE_BYTES - len(with_chunks(PLAIN, chunk(b"teXt", b""), badge_chunk(JWT.encode())))
    just = with_chunks(PLAIN, chunk(b"teXt", bytes(room)))
    over = with_chunks(PLAIN, chunk(b"teXt", bytes(room + 1)))

    assert unbake(bake(just, JWT)) == JWT
    with pytest.raises(BakingError, match="credential included"):
        bake(over, JWT)
    with pytest.raises(BakingError, match="credential included"):
        unbake(over + bytes(MAX_IMAGE_BYTES))


@pytest.mark.parametrize(
    "credential", ["", "{", "[]", '"a.b.c"', "null", "a.b", "a.b.c.d", "a.b.c=", "{}{}", "\ud800", b"\xff", "é.b.c"]
)
def test_what_is_no_credential_is_not_baked(credential: str | bytes) -> None:
    with pytest.raises(MalformedCredential):
        bake(PLAIN, credential)


@pytest.mark.parametrize("data", [b"", b"{}", JWT.encode(), b"GIF89a", b"\xff\xd8\xff\xe0", b"<html></html>"])
def test_what_is_no_image_is_told_by_its_content(data: bytes) -> None:
    assert not is_image(data)
    with pytest.raises(BakingError, match="neither PNG nor SVG"):
        unbake(data)
    with pytest.raises(BakingError, match="neither PNG nor SVG"):
        bake(data, JWT)
