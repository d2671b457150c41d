"""The same story on the images that production runs, where a Docker engine answers."""

from __future__ import annotations

from pathlib import Path

import orjson

from laurel.contracts.topics import CREDENTIALS
from laurel.runtime.clock import utc_now
from laurel.runtime.settings import KafkaSettings
from laurel_local.mailbox import Mailbox
from support.containers import KafkaContainer, MongoContainer
from support.log import publish, read_topic
from support.system import builders, running
from support.waiting import eventually
from support.world import World


async def test_a_completion_becomes_a_credential_that_holds_until_it_is_revoked(
    world: World, mailbox: Mailbox, database_name: str, tmp_path: Path
) -> None:
    with KafkaContainer() as kafka, MongoContainer() as mongo:
        settings = KafkaSettings(kafka_bootstrap=kafka.bootstrap)
        async with running(builders(settings, mongo.url, database_name, mailbox, world, tmp_path)) as system:
            await system.apply_catalog(world)
            await publish(settings, [world.completion("contained", completed_at=utc_now())])
            (record,) = await eventually(lambda: read_topic(settings, CREDENTIALS), timeout=60)
            credential = orjson.loads(record.value or b"")["credential"]

            async def verified() -> bool:
                return bool((await system.verify(credential))["verified"])

            await eventually(verified, what="a verification")
            await system.revoke(credential["id"])
            assert not await verified()
            await eventually(lambda: len(mailbox.messages()) == 2, what="both mails")
