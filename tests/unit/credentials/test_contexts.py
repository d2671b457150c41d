"""The bundled contexts are the published ones, and nothing else is ever used in their place."""

import hashlib
import re
from importlib import resources
from typing import Any

import pytest

from laurel.credentials import contexts
from laurel.credentials.contexts import pruning
from laurel.credentials.errors import MalformedCredential

SHA256 = {
    "clr-2.0.1.json": "880f1902d4158f2f33ce06af41b90719977cd1ea337a9de2e41edb3ff5e543d6",
    "credentials-examples-v2.json": "57393fbc69d6efb9b9b5dc9cb6b9880b0944360abfe2eaf459c9e58cf2279d7c",
    "credentials-v1.json": "00d7dd6d3ad8b920e3e550dd3a3d9090bffcac84cdbf943da6924b3e0a5c8bb8",
    "credentials-v2.json": "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734",
    "data-integrity-v1.json": "b5d829bd09aa7c42abc6efa0c8ed7635313b5487f37ccfce3ecd149ca9418554",
    "data-integrity-v2.json": "67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4",
    "did-v1.json": "62c1054bf404d6dd3a4b26b64f830fd72095f6a26edc4469908c94351352ce5f",
    "ed25519-2020-v1.json": "b9e1ab971fd8bf2c7553e0c4a9438e0b9450afde1ea1ca5b2492368b9f549588",
    "multikey-v1.json": "ba2c182de2d92f7e47184bcca8fcf0beaee6d3986c527bf664c195bbc7c58597",
    "open-badges-3.0.1.json": "5f3d9dd6288ef437ff8286cf95ffbff609c748a66f24a1e9450c45ca64be1571",
    "open-badges-3.0.2.json": "00666ad080ba407687ed1846b7f5e7495f5019042b202a727de47c48a1755c53",
    "open-badges-3.0.3.json": "3d34f4d4ef1bce691106e63798beb5e7b862ba841423f5ee1e53ab7ddf3bca84",
    "open-badges-3.0.json": "c4a75b69d05ae3f072ca14ef03e5bb1435a4e3c6419cb6672b9ac46d0ee49a4f",
    "open-badges-extensions.json": "87c06c81bc2317663bf288d740d94fddd2818c4342b186270ff6371dfaa63f93",
    "status-list-2021-v1.json": "634d71c159289f068c96012e4511c657fdf82ac4231900081bda3ba24e2e1160",
    "undefined-terms-v2.json": "82dab514ba44eb18f5d1b0f638c5e140c6a556fbfb5089601bdc0fa5eb8b2581",
}
FOLDER = resources.files(contexts.__name__)


@pytest.mark.parametrize("file", SHA256)
def test_each_context_is_the_published_one(file: str) -> None:
    assert hashlib.sha256(FOLDER.joinpath(file).read_bytes()).hexdigest() == SHA256[file]


def test_the_vc_context_has_the_published_length() -> None:
    assert len(FOLDER.joinpath("credentials-v2.json").read_bytes()) == 10_131


def test_every_file_has_a_url_a_digest_and_a_source() -> None:
    files = {item.name for item in FOLDER.iterdir() if item.name.endswith(".json")}
    assert files == set(SHA256) == set(contexts.FILES.values())
    rows = re.findall(
        r"^\| (\S+\.json) \| (\S+) \|.*\| ([0-9a-f]{64}) \|$", FOLDER.joinpath("SOURCES.md").read_text(), re.M
    )
    assert {(file, url, digest) for file, url, digest in rows} == {
        (file, url, SHA256[file]) for url, file in contexts.FILES.items()
    }


def test_the_mapping_serves_every_url() -> None:
    assert len(contexts.CONTEXTS) == len(SHA256)
    assert all("@context" in contexts.CONTEXTS[url] for url in contexts.CONTEXTS)


def test_inline_replaces_urls_at_any_depth_and_leaves_the_original_alone() -> None:
    document: dict[str, Any] = {
        "@context": [contexts.CREDENTIALS_V2, {"x": "urn:x"}],
        "y": [{"@context": contexts.DID_V1, "z": 1}],
    }
    inlined = contexts.inline(document)
    assert inlined == {
        "@context": [contexts.CONTEXTS[contexts.CREDENTIALS_V2]["@context"], {"x": "urn:x"}],
        "y": [{"@context": contexts.CONTEXTS[contexts.DID_V1]["@context"], "z": 1}],
    }
    assert document["@context"][0] == contexts.CREDENTIALS_V2


def _nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("document", "pointer", "says"),
    [
        ({"@context": ["https://evil.example/v2"]}, "/@context/0", "not known"),
        ({"a": {"@context": "https://evil.example/v2"}}, "/a/@context", "not known"),
        ({"a/b": [{"~": float("nan")}]}, "/a~1b/0/~0", "finite"),
        ({"a": float("inf")}, "/a", "finite"),
        ({"a": _nested(64)}, "/a" + "/0" * 63, "nested deeper"),
        ({"a": [{"@context": contexts.DID_V1}] * 33}, "/a/32/@context", "more than 32 times"),
    ],
)
def test_inline_refuses(document: dict[str, Any], pointer: str, says: str) -> None:
    with pytest.raises(MalformedCredential, match=says) as caught:
        contexts.inline(document)
    assert caught.value.pointer == pointer


def test_pruning_keeps_what_a_kept_definition_refers_to() -> None:
    # AchievementCredential is an alias of OpenBadgeCredential, expirationDate is typed by the prefix xsd.
    kept = pruning.pruned(contexts.OPEN_BADGES, {"AchievementCredential"})
    assert set(kept) == {"@protected", "AchievementCredential", "OpenBadgeCredential"}
    scoped = pruning.pruned(contexts.CREDENTIALS_V1, {"VerifiableCredential", "expirationDate"})
    assert set(scoped["VerifiableCredential"]["@context"]) >= {"expirationDate", "xsd", "cred"}
    assert "issuer" not in scoped["VerifiableCredential"]["@context"]


def test_pruning_keeps_a_context_that_lifts_all_definitions() -> None:
    kept = pruning.pruned(contexts.CREDENTIALS_V2, {"VerifiablePresentation", "verifiableCredential"})
    assert kept["VerifiablePresentation"]["@context"]["verifiableCredential"]["@context"] is None
