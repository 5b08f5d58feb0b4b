"""
The ledger of a load: what was attempted, and what the broker said to it, on disk before anything else happens.

A line is written and synced before its record is handed to the client, and the broker's word as soon as it is known.
An attempt without a word is *unknown*: it may be in the log or not, and neither is a fault.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

ATTEMPTED, ACKNOWLEDGED, REFUSED = "attempted", "acknowledged", "refused"


@dataclass
class Account:
    """
    What a ledger says.

    Attributes:
        attempted: Numbers of all attempts, also those that were made twice because the load was killed.
        acknowledged: Of these the ones that the broker confirmed.
        refused: Those that the client gave up, mostly because the broker would not take them.
    """

    attempted: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)

    @property
    def unknown(self) -> set[int]:
        """Attempts that nobody confirmed."""
        return self.attempted - self.acknowledged

    @property
    def following(self) -> int:
        """The first number that was never attempted."""
        return max(self.attempted, default=-1) + 1


class Ledger:
    """A file to which lines are added; each call returns when they are on disk."""

    def __init__(self, file: Path) -> None:
        self._stream = file.open("ab", buffering=0)

    def note(self, word: str, numbers: Iterable[int]) -> None:
        """Write one word about some attempts."""
        text = "".join(f"{word} {number}\n" for number in numbers)
        if text:
            self._stream.write(text.encode())
            os.fsync(self._stream.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def read_ledger(file: Path) -> Account:
    """Return what a ledger says; a line that a kill cut short says nothing."""
    account = Account()
    for line in file.read_bytes().split(b"\n")[:-1] if file.exists() else ():
        word, _, number = line.decode().partition(" ")
        if not number.isdigit():
            continue
        account.attempted.add(int(number))
        if word in (ACKNOWLEDGED, REFUSED):
            (account.acknowledged if word == ACKNOWLEDGED else account.refused).add(int(number))
    return account
