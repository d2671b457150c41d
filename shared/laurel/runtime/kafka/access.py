"""A cluster's rules and users, changed over Kafka's own protocol by its super user.

aiokafka's admin client has no calls for them, but its client sends any request. Numbers and layouts are those of
Apache Kafka's message definitions (DescribeAcls, CreateAcls, DeleteAcls; DescribeUserScramCredentials and
AlterUserScramCredentials of KIP-554).
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields

from laurel.contracts.access import Grant, is_ours
from laurel.runtime.kafka.connecting import client_options, telling_refusals
from laurel.runtime.settings import KafkaSettings

SCRAM_ITERATIONS = 8192
"""Kafka's own default is its least, 4096; the most that it takes is 16384."""

_ANY = 1
_ALLOW = 3
_LITERAL, _PREFIXED = 3, 4
_RESOURCES = {"topic": 2, "group": 3}
_OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8}
_SCRAM_SHA_512 = 2
_NO_SUCH_USER = 91
_PRINCIPAL = "User:"


class Rule(NamedTuple):
    """A rule as Kafka numbers it, in the order in which its requests name it."""

    resource: int
    name: str
    pattern: int
    principal: str
    host: str
    operation: int
    permission: int

    @classmethod
    def of(cls, grant: Grant) -> Rule:
        """The rule that gives this right, from everywhere."""
        pattern = _PREFIXED if grant.prefixed else _LITERAL
        return cls(
            _RESOURCES[grant.resource], grant.name, pattern, _PRINCIPAL + grant.user, "*",
            _OPERATIONS[grant.operation], _ALLOW,
        )  # fmt: skip

    @property
    def user(self) -> str:
        """Whom it concerns."""
        return self.principal.removeprefix(_PRINCIPAL)

    def __str__(self) -> str:
        allows = "may" if self.permission == _ALLOW else "may not"
        resource, operation = _name_in(_RESOURCES, self.resource), _name_in(_OPERATIONS, self.operation)
        name = f"{self.name}{'*' if self.pattern == _PREFIXED else ''}"
        where = "" if self.host == "*" else f" from {self.host}"
        return f"{self.user} {allows} {operation} {resource} {name}{where}"


def _name_in(names: dict[str, int], number: int) -> str:
    return next((name for name, each in names.items() if each == number), f"(Kafka's number {number})")


class _AlterScramResponse(Response):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("results", CompactArray(
            ("user", CompactString("utf-8")), ("error_code", Int16), ("error_message", CompactString("utf-8")),
            ("tags", TaggedFields),
        )),
        ("tags", TaggedFields),
    )  # fmt: skip


class _AlterScramRequestV0(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterScramResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields))),
        ("upsertions", CompactArray(
            ("name", CompactString("utf-8")), ("mechanism", Int8), ("iterations", Int32), ("salt", CompactBytes),
            ("salted_password", CompactBytes), ("tags", TaggedFields),
        )),
        ("tags", TaggedFields),
    )  # fmt: skip


class _AlterScramRequest(Request[_AlterScramRequestV0]):  # type: ignore[misc]
    API_KEY = 51

    def __init__(self, deletions: list[tuple[Any, ...]], upsertions: list[tuple[Any, ...]]) -> None:
        self._deletions = deletions
        self._upsertions = upsertions

    def build(self, request_struct_class: type[_AlterScramRequestV0]) -> _AlterScramRequestV0:
        return request_struct_class(self._deletions, self._upsertions, {})


class _DescribeScramResponse(Response):  # type: ignore[misc]
    API_KEY = 50
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("error_code", Int16), ("error_message", CompactString("utf-8")),
        ("results", CompactArray(
            ("user", CompactString("utf-8")), ("error_code", Int16), ("error_message", CompactString("utf-8")),
            ("credentials", CompactArray(("mechanism", Int8), ("iterations", Int32), ("tags", TaggedFields))),
            ("tags", TaggedFields),
        )),
        ("tags", TaggedFields),
    )  # fmt: skip


class _DescribeScramRequestV0(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 50
    API_VERSION = 0
    RESPONSE_TYPE = _DescribeScramResponse
    SCHEMA = Schema(
        ("users", CompactArray(("name", CompactString("utf-8")), ("tags", TaggedFields))), ("tags", TaggedFields)
    )


class _DescribeScramRequest(Request[_DescribeScramRequestV0]):  # type: ignore[misc]
    API_KEY = 50

    def __init__(self, users: list[tuple[Any, ...]]) -> None:
        self._users = users

    def build(self, request_struct_class: type[_DescribeScramRequestV0]) -> _DescribeScramRequestV0:
        return request_struct_class(self._users, {})


@dataclass(frozen=True, slots=True)
class Changes:
    """What a cluster's rules lack, and what they have too much."""

    missing: tuple[Rule, ...]
    surplus: tuple[Rule, ...]


async def compare_rules(settings: KafkaSettings, wanted: Iterable[Grant]) -> Changes:
    """How the cluster's rules for Laurel's users differ from those that should be there; others' are left alone.

    Raises:
        KafkaError: the broker is away, or does not let this user see its rules.
    """
    async with _client(settings) as client:
        there = await _rules(client)
    should = {Rule.of(grant) for grant in wanted}
    return Changes(tuple(sorted(should - there)), tuple(sorted(there - should)))


async def apply_rules(settings: KafkaSettings, changes: Changes) -> None:
    """Add what is missing, then take away what is surplus. Doing it again does no harm.

    Raises:
        KafkaError: the broker is away, or does not let this user change its rules.
    """
    async with _client(settings) as client:
        for rule in changes.missing:
            answer = await _ask(client, CreateAclsRequest(*rule))
            for code, said in answer.creation_responses:
                _check(code, said)
        for rule in changes.surplus:
            answer = await _ask(client, DeleteAclsRequest(*rule))
            for code, said, matching in answer.filter_responses:
                _check(code, said)
                for each_code, each_said, *_ in matching:
                    _check(each_code, each_said)


async def has_password(settings: KafkaSettings, user: str) -> bool:
    """Whether there is such a user, with a SCRAM-SHA-512 password.

    Raises:
        KafkaError: the broker is away, or does not let this user see users.
    """
    async with _client(settings) as client:
        answer = await _ask(client, _DescribeScramRequest([(user, {})]))
    _check(answer.error_code, answer.error_message)
    ((_, code, said, credentials, _),) = answer.results
    if code == _NO_SUCH_USER:
        return False
    _check(code, said)
    return any(mechanism == _SCRAM_SHA_512 for mechanism, *_ in credentials)


async def set_password(settings: KafkaSettings, user: str, password: str) -> None:
    """Make the user, or give it a new SCRAM-SHA-512 password. Connections that are open stay open.

    Only the salted hash leaves this process.

    Raises:
        KafkaError: the broker is away, or does not let this user change users.
    """
    salt = secrets.token_bytes(32)
    salted = pbkdf2_hmac("sha512", password.encode(), salt, SCRAM_ITERATIONS)  # Hi() of RFC 5802, section 2.2
    await _alter(settings, [], [(user, _SCRAM_SHA_512, SCRAM_ITERATIONS, salt, salted, {})])


async def remove_user(settings: KafkaSettings, user: str) -> bool:
    """Take the user's password away, so that it cannot connect again; False when there is none.

    Raises:
        KafkaError: the broker is away, or does not let this user change users.
    """
    return await _alter(settings, [(user, _SCRAM_SHA_512, {})], [])


async def _alter(settings: KafkaSettings, deletions: list[Any], upsertions: list[Any]) -> bool:
    async with _client(settings) as client:
        answer = await _ask(client, _AlterScramRequest(deletions, upsertions))
    for _, code, said, *_ in answer.results:
        if code == _NO_SUCH_USER:
            return False
        _check(code, said)
    return True


@asynccontextmanager
async def _client(settings: KafkaSettings) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**client_options(settings), client_id="laurel-access", request_timeout_ms=10_000)
    try:
        async with telling_refusals(settings):
            await client.bootstrap()
        yield client
    finally:
        await client.close()


async def _ask(client: AIOKafkaClient, request: Any) -> Any:
    """Any broker will do: it hands changes on to the controller (KIP-590)."""
    return await client.send(client.get_random_node(), request)


async def _rules(client: AIOKafkaClient) -> set[Rule]:
    answer = await _ask(client, DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY))
    _check(answer.error_code, answer.error_message)
    found = {
        Rule(resource, name, pattern, *rule) for resource, name, pattern, rules in answer.resources for rule in rules
    }
    return {rule for rule in found if is_ours(rule.user)}


def _check(code: int, said: str | None) -> None:
    if code != 0:
        raise for_code(code)(said or "")
