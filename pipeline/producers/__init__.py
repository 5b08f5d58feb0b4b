"""
Ways in: the SDK, JSON lines, the Olist files, the simulator, the HTTP collector.

`from pipeline.producers import Throughline` is what programs send with; it is loaded when it is asked for, so that
commands which send nothing do not pay for it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.producers.sdk import (
        AsyncThroughline,
        Counters,
        Delivery,
        InvalidTouchpointError,
        SendSettings,
        Throughline,
        UndeliveredError,
    )

__all__ = [
    "AsyncThroughline",
    "Counters",
    "Delivery",
    "InvalidTouchpointError",
    "SendSettings",
    "Throughline",
    "UndeliveredError",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline.producers import sdk  # noqa: PLC0415 - see above

    return getattr(sdk, name)
