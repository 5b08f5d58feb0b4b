"""
Building blocks between NumPy and Polars: 16-byte ids as numbers, runs of equal values, and lists cut from flat columns.

The rule owned here: ids compare and combine as 16 big-endian bytes. No domain word belongs in this module.
"""

from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_ID_BYTES: Final = 16


def purpose_mask(purpose: str) -> bytes:
    """Return the 16 bytes that turn a touchpoint's id into the id of something that begins with it."""
    return blake2b(purpose.encode(), digest_size=_ID_BYTES, person=b"tl.purpose").digest()


def id_bytes(ids: pl.Series) -> npt.NDArray[np.uint8]:
    """
    Return 16-byte ids as the rows of a matrix of bytes.

    Raises:
        ValueError: If an id is null or has another length.
    """
    values = ids.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, cuts, data = values.buffers()
    offsets = np.frombuffer(memoryview(cuts or b""), np.int64)[values.offset : values.offset + len(values) + 1]
    if values.null_count or (np.diff(offsets) != _ID_BYTES).any():
        raise ValueError(f"{ids.name}: ids must have {_ID_BYTES} bytes each")
    if not len(values):
        return np.zeros((0, _ID_BYTES), np.uint8)
    # The bytes themselves: one Python object for each took a tenth of the time of a batch.
    return np.frombuffer(memoryview(data or b""), np.uint8)[offsets[0] : offsets[-1]].reshape(-1, _ID_BYTES)


def fixed_ids(whole: npt.NDArray[np.uint8]) -> "pa.Array[Any]":
    """Return the rows of a matrix of bytes as Arrow's `fixed_size_binary(16)`."""
    flat = pa.py_buffer(np.ascontiguousarray(whole).data)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(_ID_BYTES), len(whole), [None, flat])


def masked_ids(ids: pl.Series, purpose: str) -> pl.Series:
    """Return every id xor the mask of its purpose: one-to-one, so distinct stays distinct."""
    masked = id_bytes(ids) ^ np.frombuffer(purpose_mask(purpose), dtype=np.uint8)
    return pl.Series(ids.name, fixed_ids(masked), dtype=pl.Binary)


def runs(groups: Ints, times: Ints, gap: int) -> Flags:
    """
    Return where a new run begins: at a new group, or after a silence longer than `gap`.

    Args:
        groups: Sorted group of every row.
        times: Time of every row, sorted within its group.
        gap: Longest difference within a run, inclusive.
    """
    begins = np.ones(len(groups), dtype=np.bool_)
    begins[1:] = (groups[1:] != groups[:-1]) | (times[1:] - times[:-1] > gap)
    return begins


def firsts(sorted_groups: Ints) -> Flags:
    """Return where a row differs from the row before it."""
    begins = np.ones(len(sorted_groups), dtype=np.bool_)
    begins[1:] = sorted_groups[1:] != sorted_groups[:-1]
    return begins


def number_within(groups: Ints, group_count: int) -> Ints:
    """Return the number of every row within its group, from 1; `groups` is sorted."""
    counts = np.bincount(groups, minlength=group_count)
    starts = np.cumsum(counts) - counts
    return np.arange(len(groups)) - starts[groups] + 1


def offsets_of(lengths: Ints) -> Ints:
    """Return where each list begins in the flat column, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def listed(flat: pl.Series, offsets: Ints) -> pl.Series:
    """Cut a flat column into lists: list i is flat[offsets[i]:offsets[i + 1]]."""
    # Of the bytes themselves: `pa.array` loads pandas first, half a second and 50 MB of a worker.
    cuts, values = pa.py_buffer(np.ascontiguousarray(offsets, np.int64).data), flat.to_arrow()
    array = pa.Array.from_buffers(pa.large_list(values.type), len(offsets) - 1, [None, cuts], children=[values])
    return pl.Series(flat.name, array, dtype=pl.List(flat.dtype))
