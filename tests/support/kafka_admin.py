"""Leaving a shared broker as a test found it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient

from support.waiting import eventually


def delete_topics(bootstrap: str, names: Sequence[str]) -> None:
    """Delete the topics that exist, with their committed offsets."""

    async def delete() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            there = set(await admin.list_topics())
            await admin.delete_topics([name for name in names if name in there])

            async def gone() -> bool:
                return not set(names) & set(await admin.list_topics())

            # The broker may go on showing them for a while, and who then finds its topics there makes none.
            await eventually(gone, what="the topics' end")
        finally:
            await admin.close()

    asyncio.run(delete())
