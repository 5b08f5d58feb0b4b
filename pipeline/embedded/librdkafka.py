"""
The mock-cluster functions of the librdkafka that confluent-kafka's wheel carries, by ctypes.

confluent-kafka does not offer them in Python. The library is the very file that the wheel loads; where another build
of librdkafka lacks a function, the error says which.
"""

import ctypes
import ctypes.util
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

_PRODUCER = 0
_ERROR_BYTES = 512

# Name, arguments; every one of these answers with an int (an error code, 0 is none).
_CALLS: dict[str, list[type]] = {
    "rd_kafka_mock_topic_create": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int],
    "rd_kafka_mock_broker_set_host_port": [ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_int],
    "rd_kafka_mock_broker_set_down": [ctypes.c_void_p, ctypes.c_int32],
    "rd_kafka_mock_broker_set_up": [ctypes.c_void_p, ctypes.c_int32],
    "rd_kafka_mock_broker_set_rtt": [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int],
}
# Name, arguments; these answer nothing.
_COMMANDS: dict[str, list[type]] = {
    "rd_kafka_mock_cluster_destroy": [ctypes.c_void_p],
    "rd_kafka_destroy": [ctypes.c_void_p],
    "rd_kafka_mock_group_initial_rebalance_delay_ms": [ctypes.c_void_p, ctypes.c_int32],
    "rd_kafka_mock_push_request_errors_array": [ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.c_void_p],
    "rd_kafka_mock_clear_request_errors": [ctypes.c_void_p, ctypes.c_int16],
}


class LibrdkafkaMissing(Exception):  # noqa: N818 - the name says what is so
    """No usable librdkafka: install confluent-kafka from its wheel, or use a real Kafka."""


def load_librdkafka() -> ctypes.CDLL:
    """
    Load the library and declare what is used of it.

    Raises:
        LibrdkafkaMissing: If there is none, or it lacks a function.
    """
    for candidate in _candidates():
        try:
            return _declared(ctypes.CDLL(candidate))
        except OSError as error:
            raise LibrdkafkaMissing(f"{candidate}: cannot be loaded ({error})") from error
        except AttributeError as error:
            raise LibrdkafkaMissing(f"{candidate}: too old for the embedded broker ({error})") from error
    raise LibrdkafkaMissing("no librdkafka found; install confluent-kafka from its wheel")


def new_client(library: ctypes.CDLL) -> int:
    """Return the handle of a client that a mock cluster can live in."""
    message = ctypes.create_string_buffer(_ERROR_BYTES)
    configuration = library.rd_kafka_conf_new()
    # Without the level, librdkafka warns on stderr that this client has no cluster; it needs none.
    library.rd_kafka_conf_set(configuration, b"log_level", b"3", message, _ERROR_BYTES)
    handle = library.rd_kafka_new(_PRODUCER, configuration, message, _ERROR_BYTES)
    if not handle:
        raise LibrdkafkaMissing(f"librdkafka refused to start: {message.value.decode()}")
    return int(handle)


def _candidates() -> Iterator[str]:
    spec = find_spec("confluent_kafka")
    for place in (spec.submodule_search_locations or []) if spec else []:
        package = Path(place)
        yield from map(str, sorted(package.with_name("confluent_kafka.libs").glob("librdkafka-*.so*")))
        yield from map(str, sorted((package / ".dylibs").glob("librdkafka*.dylib")))
    if installed := ctypes.util.find_library("rdkafka"):
        yield installed


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_conf_set.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    for name, arguments in _CALLS.items():
        call = getattr(library, name)
        call.argtypes, call.restype = arguments, ctypes.c_int
    for name, arguments in _COMMANDS.items():
        command = getattr(library, name)
        command.argtypes, command.restype = arguments, None
    return library
