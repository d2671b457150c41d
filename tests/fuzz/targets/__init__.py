"""What is fuzzed, by name."""

from __future__ import annotations

from collections.abc import Mapping

from fuzz.harness import Target
from fuzz.targets import controller_documents, credentials, images, jwts, open_badges, status_lists

TARGETS: Mapping[str, Target] = {
    target.name: target
    for module in (credentials, jwts, open_badges, images, status_lists, controller_documents)
    for target in module.TARGETS
}
