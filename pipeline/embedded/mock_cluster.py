"""
librdkafka's mock cluster as a broker: real Kafka protocol, memory only, about 5 MB a partition.

The rule it owns: *the address stays*. The mock picks a port of its own and would name that one to every client, so a
restart would strand them. Instead its listening socket is exchanged for one on the port we want (`dup2` over the
same descriptor, before anybody was told) and its metadata names that port. Nothing stands between client and broker.

It deliberately keeps nothing: a new start is a new log, and `log_id` (also the Kafka cluster id) says which.
"""

import ctypes
import os
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pipeline.embedded.librdkafka import load_librdkafka, new_client

_BROKER = 1
_LOOPBACK = "127.0.0.1"
_BACKLOG = 256

# `rd_kafka_mock_cluster_s` begins with `char id[32]`: the cluster id that Metadata tells, by default from a pointer.
_CLUSTER_ID_BYTES = 32
_CLUSTER_ID_PREFIX = b"mockCluster"
# An id that Kafka makes has 22 characters, ours more.
_LOG_PREFIX, _LOG_DIGITS = "log-", 24

# A group's first members wait this long for company: small, for nobody here starts hundreds of consumers.
DEFAULT_REBALANCE_DELAY_MS = 100

# Request kinds of the Kafka protocol for `push_request_errors`.
PRODUCE, FETCH, METADATA, OFFSET_COMMIT, JOIN_GROUP = 0, 1, 3, 8, 11
# Error codes of the Kafka protocol; librdkafka's own negative -195 closes the connection instead.
NOT_LEADER, REQUEST_TIMED_OUT, COORDINATOR_NOT_AVAILABLE, TOPIC_REFUSED, CLOSE_CONNECTION = 6, 7, 15, 29, -195


def is_embedded_log(log_id: str) -> bool:
    """Return whether a log's id is of a broker of this kind, which leaves requests of administrators unanswered."""
    return log_id.startswith(_LOG_PREFIX) and len(log_id) == len(_LOG_PREFIX) + _LOG_DIGITS


class BrokerFailed(Exception):  # noqa: N818 - the name says what happened
    """The mock cluster could not be started or did not obey."""


class MockCluster:
    """
    A broker with its topics, alive from construction to `close`.

    Methods may be called from any thread.

    Args:
        topics: Partitions of each topic by name. Others come into being on first use, with 4.
        port: Port on the loopback; 0 takes a free one.
        rebalance_delay_ms: How long a group's first members wait for others.
    """

    def __init__(
        self, topics: Mapping[str, int], port: int = 0, rebalance_delay_ms: int = DEFAULT_REBALANCE_DELAY_MS
    ) -> None:
        self._library = load_librdkafka()
        self._listener = _listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._client = new_client(self._library)
        self._cluster: int = self._library.rd_kafka_mock_cluster_new(self._client, 1)
        if not self._cluster:
            raise BrokerFailed("librdkafka could not start its mock cluster")
        bootstraps: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        self._own_port = int(bootstraps.decode().rsplit(":", 1)[1])
        self.log_id = self._name_log()
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, rebalance_delay_ms)
        try:
            for name, partitions in topics.items():
                self.create_topic(name, partitions)
            self._take_port()
        except BrokerFailed:
            self.close()
            raise

    @property
    def bootstrap(self) -> str:
        """The address that clients start from, and stay with."""
        return f"{_LOOPBACK}:{self.port}"

    def create_topic(self, name: str, partitions: int) -> None:
        """
        Create a topic before anybody uses it.

        Raises:
            BrokerFailed: If it exists already or the name is no topic name.
        """
        self._obey("rd_kafka_mock_topic_create", name.encode(), partitions, 1)

    def push_request_errors(self, request: int, errors: Sequence[int]) -> None:
        """Answer the next requests of this kind (`PRODUCE`, `FETCH`, …) with these errors, one each; 0 is none."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(errors), codes)

    def clear_request_errors(self, request: int) -> None:
        """Forget the errors that were not answered yet."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, request)

    def broker_set_down(self) -> None:
        """Close all connections and refuse new ones; the log stays."""
        self._obey("rd_kafka_mock_broker_set_down", _BROKER)
        # Otherwise the kernel would go on accepting for us, and clients would wait instead of being refused.
        self._listener.close()

    def broker_set_up(self) -> None:
        """Accept connections again, at the same address."""
        self._obey("rd_kafka_mock_broker_set_up", _BROKER)
        self._listener = _listen(self.port)
        self._take_port()

    def set_rtt(self, milliseconds: int) -> None:
        """Delay every answer."""
        self._obey("rd_kafka_mock_broker_set_rtt", _BROKER, milliseconds)

    def close(self) -> None:
        """Stop the broker and forget its log; safe to repeat."""
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._library.rd_kafka_destroy(self._client)
            self._cluster = 0
        self._listener.close()

    def __enter__(self) -> "MockCluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _obey(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(self._cluster, *arguments)
        if code:
            raise BrokerFailed(f"{name}{arguments}: librdkafka error {code}")

    def _name_log(self) -> str:
        """Give the cluster an id that no other start has; keep librdkafka's where its layout is another."""
        memory = ctypes.string_at(self._cluster, _CLUSTER_ID_BYTES)
        if not memory.startswith(_CLUSTER_ID_PREFIX):
            return uuid.uuid4().hex[: _CLUSTER_ID_BYTES - 1]
        log_id = f"{_LOG_PREFIX}{uuid.uuid4().hex[:_LOG_DIGITS]}"
        ctypes.memmove(self._cluster, log_id.encode().ljust(_CLUSTER_ID_BYTES, b"\0"), _CLUSTER_ID_BYTES)
        return log_id

    def _take_port(self) -> None:
        """Put our listening socket in the place of the mock's own."""
        self._obey("rd_kafka_mock_broker_set_host_port", _BROKER, _LOOPBACK.encode(), self.port)
        for descriptor in _descriptors():
            if _is_bound_to(descriptor, self._own_port):
                os.dup2(self._listener.fileno(), descriptor, inheritable=False)
                return
        raise BrokerFailed(f"the mock's socket on port {self._own_port} was not found in this process")


def _listen(port: int) -> socket.socket:
    try:
        listener = socket.create_server((_LOOPBACK, port), backlog=_BACKLOG)
    except OSError as error:
        raise BrokerFailed(f"{_LOOPBACK}:{port}: {error.strerror}; choose another port") from error
    listener.settimeout(0)
    return listener


def _descriptors() -> Iterator[int]:
    """Yield the open descriptors of this process (Linux and macOS both list them under /dev/fd)."""
    for path in Path("/dev/fd").iterdir():
        yield int(path.name)


def _is_bound_to(descriptor: int, port: int) -> bool:
    with suppress(OSError):
        duplicate = os.dup(descriptor)
        try:
            candidate = socket.socket(fileno=duplicate)
        except OSError:
            os.close(duplicate)
            return False
        with candidate:
            return candidate.family == socket.AF_INET and candidate.getsockname() == (_LOOPBACK, port)
    return False
