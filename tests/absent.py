"""What a machine may lack: elsewhere a test says so and how to have it, in CI (the variable `CI` is set) it fails."""

from typing import NoReturn

import pytest

from pipeline.config import child_environment


def not_here(what: str, how: str) -> NoReturn:
    """
    End a test for want of something that this machine may lack.

    Args:
        what: What is missing.
        how: What to do to have it.
    """
    if child_environment({}).get("CI"):
        pytest.fail(f"CI must not skip this: {what}; {how}")
    pytest.skip(f"not run: {what}; to run it, {how}")
