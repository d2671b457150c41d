"""aiokafka's connection to a broker, made to say that it is broken under uvloop too."""

from __future__ import annotations

from typing import Any

from aiokafka import conn
from aiokafka.errors import KafkaConnectionError


class Connection(conn.AIOKafkaConnection):  # type: ignore[misc]
    """Refuses to write to a transport that is closing, as a connection that is broken.

    Until the task that reads has noticed a reset, a connection looks whole. What is written to it then, asyncio drops,
    and aiokafka waits in vain for an answer; uvloop raises RuntimeError, which aiokafka takes for a fault of its own
    (https://github.com/aio-libs/aiokafka/issues/1038): the task that keeps a consumer in its group, or the one that
    sends for a producer, ends with it. A broken connection is one that all of them wait out.
    """

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """As aiokafka's. Raises KafkaConnectionError."""
        self._must_not_be_broken()
        return super().send(request, expect_response)

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        self._must_not_be_broken()
        return super()._send_sasl_token(payload, expect_response)

    def _must_not_be_broken(self) -> None:
        if self._writer is not None and self._writer.transport.is_closing():
            self.close(reason=conn.CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self._host}:{self._port} broken")


# aiokafka looks the class up by this name whenever it connects; it has no public place to say which one.
conn.AIOKafkaConnection = Connection
