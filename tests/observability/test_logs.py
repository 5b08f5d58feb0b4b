"""One event, one line."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from pipeline.config import ObservabilitySettings
from pipeline.observability.logs import RepeatFilter, configure


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(log_format: str, level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    configure(ObservabilitySettings.model_validate({"log_format": log_format, "log_level": level}), stream)
    return stream


def test_text_is_one_line_even_with_a_traceback() -> None:
    stream = written("text")
    try:
        int("first\nsecond")
    except ValueError:
        logging.getLogger("pipeline.x").exception("it broke")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert " ERROR pipeline.x: it broke\\n" in lines[0]
    assert "ValueError: invalid literal" in lines[0]


def test_json_is_one_object_a_line() -> None:
    stream = written("json")
    logging.getLogger("pipeline.x").warning("%s is\nbroken", "it")
    (line,) = stream.getvalue().splitlines()
    fields = json.loads(line)
    assert (fields["level"], fields["logger"], fields["message"]) == ("WARNING", "pipeline.x", "it is\nbroken")
    assert fields["time"].endswith("Z")


def test_the_level_is_the_settings_and_libraries_are_quiet() -> None:
    stream = written("text", "WARNING")
    logging.getLogger("pipeline.x").info("not heard")
    written_info = written("text")
    logging.getLogger("aiokafka.consumer").info("not heard")
    logging.getLogger("pipeline.x").info("heard")
    assert stream.getvalue() == ""
    assert "not heard" not in written_info.getvalue()
    assert "heard" in written_info.getvalue()


def test_a_library_that_repeats_itself_is_cut_short() -> None:
    now = [0.0]
    repeats = RepeatFilter(lambda: now[0])

    def line(name: str) -> logging.LogRecord:
        return logging.LogRecord(name, logging.ERROR, "", 0, "Failed fetch from %s", ("node",), None)

    assert repeats.filter(line("aiokafka"))
    assert not repeats.filter(line("aiokafka"))
    assert not repeats.filter(line("aiokafka"))
    assert repeats.filter(line("pipeline.x"))
    assert repeats.filter(line("pipeline.x"))
    now[0] = 31.0
    again = line("aiokafka")
    assert repeats.filter(again)
    assert again.getMessage() == "Failed fetch from node (2 more of these)"
