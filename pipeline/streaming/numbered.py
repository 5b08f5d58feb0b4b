"""
Identifiers met while blocks are found, by number: a number takes an eighth of a key, and less again to be compared.

Nothing here knows what a number stands for; they are given in the order of meeting, without a gap, and hold for one
search.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

NUMBER = pl.UInt32()


class Numbered:
    """Keys met so far, each with its number."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._keys = pl.Series("ident_key", [], dtype=pl.Binary)

    def numbers_of(self, keys: pl.Series) -> pl.Series:
        """Return the number of each key, in their order; who is met for the first time gets the next."""
        numbers = self._numbers
        return pl.Series("number", [numbers.setdefault(key, len(numbers)) for key in keys.to_list()], dtype=NUMBER)

    def keys_of(self, numbers: pl.Series) -> pl.Series:
        """Return the keys of numbers, in their order."""
        if len(self._keys) < len(self._numbers):
            self._keys = pl.Series("ident_key", list(self._numbers), dtype=pl.Binary)
        return self._keys.gather(numbers)

    def without(self, numbers: pl.Series, others: pl.Series) -> pl.Series:
        """Return the distinct numbers that are not among others."""
        is_left: npt.NDArray[np.bool_] = np.zeros(len(self._numbers), dtype=np.bool_)
        is_left[numbers.to_numpy()] = True
        is_left[others.to_numpy()] = False
        return pl.Series("number", np.flatnonzero(is_left).astype(np.uint32))
