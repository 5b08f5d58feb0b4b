"""
Memory that a worker has freed goes back to the machine when there is nothing to do.

Allocators keep what a large batch took for the next one; on a laptop that may come tomorrow.
"""

import ctypes
import sys

import pyarrow as pa


def give_back_memory() -> None:
    """Return freed memory of Arrow and of the C library; quick, and harmless where there is none."""
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
