"""
Who may come in: two users with long random passwords, kept in the data folder for its owner only.

`throughline` is the pipeline itself and may do all; `analyst` is everybody outside and asks through the gate.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

INSIDE, OUTSIDE = "throughline", "analyst"
TOKEN_FILE = "credentials.json"
_PASSWORD_BYTES = 24


@dataclass(frozen=True)
class Credentials:
    """The passwords of the two users."""

    throughline: str
    analyst: str

    def user_of(self, name: str, password: str) -> str | None:
        """Return the user if the password is right, else None; takes equally long for every wrong one."""
        expected = {INSIDE: self.throughline, OUTSIDE: self.analyst}.get(name, "")
        is_right = secrets.compare_digest(expected.encode(), password.encode("utf-8", "surrogateescape"))
        return name if expected and is_right else None


def load_credentials(folder: Path) -> Credentials:
    """Read the passwords of a data folder; at the first start, make them."""
    path = folder / TOKEN_FILE
    if not path.exists():
        made = {name: secrets.token_urlsafe(_PASSWORD_BYTES) for name in (INSIDE, OUTSIDE)}
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(made, file)
        unfinished.rename(path)
    return Credentials(**json.loads(path.read_text(encoding="utf-8")))
