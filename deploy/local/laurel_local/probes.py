"""Questions that tell whether a server is ready; "not yet" is False or an OSError."""

import http.client
import socket
import ssl
import struct
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

TIMEOUT_SECONDS = 2.0


def tcp_answers(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS):
        return True


def http_answers(url: str) -> bool:
    """Whether a GET of the URL is answered with 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")
        return connection.getresponse().status == http.client.OK
    except http.client.HTTPException:
        return False
    finally:
        connection.close()


def mongo_answers(url: str) -> bool:
    """Whether a database server answers a ping."""
    client: MongoClient[dict[str, object]] = MongoClient(
        url, serverSelectionTimeoutMS=500, connectTimeoutMS=500, directConnection=True
    )
    with client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        return True


def kafka_answers(port: int, tls: ssl.SSLContext | None = None) -> bool:
    """Whether a Kafka broker answers a metadata request and counts itself in; `tls` is how it is spoken to, if so.

    Spoken by hand, since a client library would want an event loop and would log every refused connection.
    """
    # Metadata, version 1, for no topics: api key 3, version, correlation id, client id, an empty topic list.
    request = struct.pack(">hhih", 3, 1, 7, 5) + b"probe" + struct.pack(">i", 0)
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as plain:
        broker = tls.wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain
        broker.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", _read(broker, 4))
        correlation_id, brokers = struct.unpack(">ii", _read(broker, min(length, 8)).ljust(8, b"\0"))
    return bool(correlation_id == 7 and brokers > 0)


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionResetError("closed before the answer was whole")
        data += more
    return data
