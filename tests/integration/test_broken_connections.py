"""A connection to a broker that is reset is told as such, by the event loop that services run on."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest

from laurel.runtime.kafka import Connection
from laurel.runtime.settings import KafkaSettings

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on and for no time: closing drops the connection


class Relay:
    """Stands between a client and a broker, and can drop their connection."""

    def __init__(self, broker: str) -> None:
        self._host, _, self._port = broker.partition(":")
        self._clients: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.append(writer)
        far_reader, far_writer = await asyncio.open_connection(self._host, int(self._port))
        self._pumps |= {asyncio.create_task(_pump(*ends)) for ends in ((reader, far_writer), (far_reader, writer))}

    def reset(self) -> None:
        """Drop every connection, without a farewell."""
        for each in self._clients:
            each.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            each.transport.abort()
        for pump in self._pumps:
            pump.cancel()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
    writer.close()


def test_what_is_sent_on_a_connection_that_was_just_reset_is_a_broken_connection(kafka_settings: KafkaSettings) -> None:
    """Anything else ends the task that keeps a consumer in its group, and with it the consumer, for good."""

    async def send_after_the_reset() -> None:
        relay = Relay(kafka_settings.kafka_bootstrap)
        async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
            connection = await create_conn(*server.sockets[0].getsockname())
            assert isinstance(connection, Connection)
            relay.reset()
            while connection._reader.exception() is None:  # noqa: ASYNC110 - it is a matter of single turns
                await asyncio.sleep(0)
            assert connection.connected(), "the task that reads has not had its turn yet"
            with pytest.raises(KafkaConnectionError):
                await connection.send(ApiVersionRequest())
            with pytest.raises(KafkaConnectionError):
                await connection._send_sasl_token(b"token")
            assert not connection.connected(), "the next who needs one makes a new one"

    uvloop.run(send_after_the_reset())
