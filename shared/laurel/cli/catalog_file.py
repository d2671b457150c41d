"""Reading a catalog file: YAML without its traps, and every finding with its line, pointer and mend."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from laurel.cli.exits import Refused, WrongUse
from laurel.cli.output import plain
from laurel.contracts.catalog import Catalog
from laurel.contracts.errors import rejections_of

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

SIZE_LIMIT = 16 * 1024 * 1024
DEPTH_LIMIT = 20
FINDINGS_SHOWN = 20


class _Unfit(Exception):  # noqa: N818 - says what the file is
    """YAML that a catalog has no use for."""

    def __init__(self, where: yaml.Event | yaml.Node, what: str) -> None:
        super().__init__(what)
        self.line = where.start_mark.line + 1 if where.start_mark else 1


class _Loader(SafeLoader):
    """Safe YAML in which a key stands once; YAML itself would let the last one win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Unfit(key, "a key must be plain text")
            if key.value in seen:
                raise _Unfit(key, f"{key.value!r} stands twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_catalog(path: Path) -> Catalog:
    """The catalog of a file.

    Raises:
        WrongUse: the file cannot be read.
        Refused: it is not a catalog; the facts hold every finding.
    """
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise WrongUse(f"{path} cannot be read ({type(error).__name__}).") from None
    if len(text) > SIZE_LIMIT:
        raise Refused(f"{path} is over {SIZE_LIMIT} bytes: divide the catalog.")
    try:
        _check_events(text)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            content = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except _Unfit as error:
        raise _refused(path, [(error.line, "", f"This is not the YAML of a catalog: {error}.")]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refused(path, [(line, "", f"This is not YAML: {error.problem}.")]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _refused(path, [(1, "", f"This is not YAML: {error}.")]) from None
    try:
        # Readers of events pass over fields they do not know; in a file, such a field is a misspelling.
        return Catalog.model_validate(content, extra="forbid")
    except ValidationError as error:
        found = [(_line(root, each.pointer), each.pointer, each.detail) for each in rejections_of(error)]
        raise _refused(path, found) from None


def _check_events(text: bytes) -> None:
    """Refuse, before anything is built, what could grow beyond the file's size: aliases, and deep nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _Unfit(event, "aliases are not taken; write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_LIMIT:
            raise _Unfit(event, f"it is nested over {DEPTH_LIMIT} deep")


def _line(node: Any, pointer: str) -> int:
    """The line of what `pointer` names, or of the nearest thing around it."""
    for part in pointer.split("/")[1:]:
        inner = None
        if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            inner = node.value[int(part)]
        elif isinstance(node, yaml.MappingNode):
            inner = next((value for key, value in node.value if key.value == part), None)
        if inner is None:
            break
        node = inner
    return 1 if node is None else int(node.start_mark.line) + 1


def _refused(path: Path, findings: list[tuple[int, str, str]]) -> Refused:
    lines = [f"{path}:{line}: {plain(detail)}" for line, _, detail in findings[:FINDINGS_SHOWN]]
    if len(findings) > FINDINGS_SHOWN:
        lines.append(f"... and {len(findings) - FINDINGS_SHOWN} more.")
    facts = [{"line": line, "pointer": pointer, "detail": detail} for line, pointer, detail in findings]
    return Refused("\n".join(lines), findings=facts)
