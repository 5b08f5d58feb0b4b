"""Whoever is asked to end cleans up, however often it is asked."""

import signal
import subprocess
import sys

import pytest

from pipeline.config import child_environment

CLEANS_UP = """
import time
from bench.servers import end_with_children
end_with_children()
try:
    print("ready", flush=True)
    time.sleep(60)
finally:
    print("cleaning", flush=True)
    time.sleep(0.5)
    print("clean", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_break_off_the_cleaning_up(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLEANS_UP], stdout=subprocess.PIPE, text=True, env=child_environment({})
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "cleaning\n"
        process.send_signal(number)
        assert process.stdout.readline() == "clean\n"
        assert process.wait(20) == 128 + number
