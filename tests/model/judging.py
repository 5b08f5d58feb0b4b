"""The verdict on a schedule: that it diverged, and in which rows of which views."""

from tests.model.expected import Views


class Diverged(Exception):  # noqa: N818 - it is the verdict
    """The views do not show what the oracle says."""


def difference(expected: Views, seen: Views) -> str:
    """Say in which views which rows are missing or too many."""
    lines = []
    for name in expected:
        missing, unexpected = expected[name] - seen[name], seen[name] - expected[name]
        if missing or unexpected:
            lines.append(f"{name}: {len(missing)} rows missing, {len(unexpected)} unexpected")
            lines += [f"  missing    {row}" for row in sorted(missing, key=repr)[:3]]
            lines += [f"  unexpected {row}" for row in sorted(unexpected, key=repr)[:3]]
    return "\n".join(lines)
