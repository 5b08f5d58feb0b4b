"""Whether a Kafka broker answers at an address: one ApiVersions request over a plain socket, no client library."""

import socket
import struct

# ApiVersions (18), version 0, correlation id 1, no client id; every Kafka answers it without authentication.
_REQUEST = struct.pack(">hhih", 18, 0, 1, -1)
_ANSWER_HEAD_BYTES = 10


def answers(address: str, timeout_s: float) -> bool:
    """
    Ask a broker which requests it knows.

    Args:
        address: host:port.
        timeout_s: Longest wait for the connection, and for the answer.

    Returns:
        Whether it answered without an error.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
            head = b""
            while len(head) < _ANSWER_HEAD_BYTES:
                piece = connection.recv(_ANSWER_HEAD_BYTES - len(head))
                if not piece:
                    return False
                head += piece
    except OSError:
        return False
    _, correlation, error = struct.unpack(">iih", head)
    return (correlation, error) == (1, 0)
