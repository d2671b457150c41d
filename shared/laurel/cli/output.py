"""What the commands print: text for people, or one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]

_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
# They turn the direction of what follows, so that text from outside could show itself as other text.
_DIRECTIONS = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
# What stands for the bytes of a file's name that are no UTF-8. No output takes it.
_SURROGATES = range(0xD800, 0xE000)
_SHOWN_AS = dict.fromkeys((*_CONTROLS, *_DIRECTIONS, *_SURROGATES), "\ufffd")
_IN_JSON = {code: f"\\u{code:04x}" for code in _SHOWN_AS if chr(code) not in "\t\r\n"}


def plain(text: object) -> str:
    """`text` in one line that a terminal takes for text and nothing else, whoever wrote it."""
    return str(text).translate(_SHOWN_AS)


def json_text(text: str) -> str:
    """JSON text, and to programs the same JSON, in which a terminal finds nothing to obey. The lines stay."""
    # Other than as white space, JSON has such characters in its strings only, where an escape says the same.
    return text.translate(_IN_JSON)


def say(text: str = "", *, style: str | None = None) -> None:
    """One line for people on stdout."""
    console().print(plain(text), style=style, soft_wrap=True)


def warn(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(plain(text) + "\n")


def document(value: Any) -> None:
    """The one JSON document on stdout."""
    sys.stdout.write(json_text(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under heads; wide enough that nothing is cut off."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(*heads, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(plain(cell), overflow="fold") for cell in row))
    console().print(drawn)


def console(*, stderr: bool = False) -> Console:
    """A terminal that interprets nothing in what it is given."""
    # Not loaded where the answer is JSON.
    from rich.console import Console  # noqa: PLC0415

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)
