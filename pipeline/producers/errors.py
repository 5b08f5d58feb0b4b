"""
What goes wrong on the way in, told so that a person can mend it: what, where, what to do.

These exceptions are about the pipeline and its input as a whole. A single bad touchpoint is never one of them: it is
an outcome (see `admission`).
"""


class ProducerError(Exception):
    """Something on the way in stopped the work; the message says what, where and what to do."""


class InputError(ProducerError):
    """The input as a whole cannot be read: a missing folder, file or column, or a cell that is not what it must be."""


class BrokerUnavailableError(ProducerError):
    """
    Kafka did not take records for longer than we retry; sending the same input again stores nothing twice.

    Args:
        fault: What Kafka does not do.
        remedy: What a person can do about it; nothing where a program tries again by itself.
    """

    def __init__(self, fault: str, remedy: str = "") -> None:
        super().__init__(f"{fault}; {remedy}" if remedy else fault)
        self.fault = fault


class ConsumersStalledError(ProducerError):
    """Nobody reads what was sent and the log is bounded, so sending on would lose records."""
