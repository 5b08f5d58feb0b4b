"""The worked examples of docs/identity.md hold: they are read from the page and run through the real rules."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KIND_RANK
from pipeline.identity.keys import KeyRing
from pipeline.identity.statements import ALIAS, UNLINK, statements_that_hold
from tests.identity.graphs import Graph, answer
from tests.oracle.identity import Caps, Link, who_is_who

PAGE = Path(__file__).parents[2] / "docs" / "identity.md"
EXAMPLES = re.findall(r"```example\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
NAMED = re.compile(r'(\w+) "([^"]*)"')
STATEMENT = re.compile(r'statement "(\w+)" of (\w+)(?:, revision (\d+))?(?:,? withdraws "(\w+)")?: (.*)')
TIME = pl.Datetime("ms", "UTC")
SETTINGS = IdentitySettings.model_validate({"hash_key": "any"})


@dataclass
class Story:
    """What an example says, with keys in place of values."""

    kinds: dict[bytes, str] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    customers: list[list[bytes]] = field(default_factory=list)
    shared: set[bytes] = field(default_factory=set)


def read(example: str) -> Story:
    """Read an example; the n-th line happens at time n."""
    ring, story = KeyRing(SETTINGS), Story()
    for at, line in enumerate(example.strip().splitlines()):
        named = [(kind, ring.key_of(kind, value)) for kind, value in NAMED.findall(line) if kind in KIND_RANK]
        known = sorted((KIND_RANK[kind], key, kind) for kind, key in named if key is not None)
        keys = [key for _, key in named if key is not None]
        if line.startswith("a touchpoint names"):
            story.kinds |= {key: kind for _, key, kind in known}
            story.links += [Link(known[0][1], key, at) for _, key, _ in known[1:]]
        elif line.startswith(("a statement says", "statement ")):
            told = STATEMENT.fullmatch(line) or STATEMENT.fullmatch(f'statement "line{at}" of crm: {line[17:]}')
            assert told, line
            sides = [(ring.key_of(kind, value) or b"", kind) for kind, value in NAMED.findall(told[5])]
            story.kinds |= dict(sides)
            story.said += statement(at, told, [key for key, _ in sides])
        elif line.startswith("so one customer is:"):
            story.customers.append(keys)
        elif line.startswith("so shared is:"):
            story.shared |= set(keys)
        else:
            pytest.fail(f"an example has a line that nobody understands: {line}")
    return story


def statement(at: int, told: re.Match[str], sides: list[bytes]) -> list[dict[str, Any]]:
    """Return a statement's rows as they are stored; one id of one source is one touchpoint where nothing tells more."""
    event_id, source, revision, withdraws, text = told.groups()
    one = {
        "statement": UNLINK if text.endswith("are not one person") else ALIAS,
        "withdraws": withdraws or "",
        "source": source,
        "event_id": event_id,
        "occurred_at": at,
        "event_uid": f"{source} {event_id}".encode(),
        "content_version": bytes([int(revision or 0)]),
    }
    return [{"a": a, "b": b, **one} for a, b in (sides, sides[::-1])]


def graph_of(story: Story, caps: Caps) -> Graph:
    """Resolve the statements by the real rules."""
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "a": pl.Binary,
        "b": pl.Binary,
        "statement": pl.Int8,
        "occurred_at": TIME,
    }
    columns = ("a", "b", "statement", "withdraws", "source", "event_id", "occurred_at", "event_uid", "content_version")
    rows = [tuple(row[name] for name in columns) for row in story.said]
    said = pl.DataFrame(rows, schema=columns, schema_overrides=schema, orient="row")
    if not rows:
        return Graph(story.kinds, story.links, [], [], caps)
    held = statements_that_hold(said)
    aliases = held.aliases.with_columns(pl.col("first_seen").to_physical())
    return Graph(story.kinds, story.links, [Link(*row) for row in aliases.rows()], held.unlinks.rows(), caps)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 13


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: str) -> None:
    story = read(example)
    caps = Caps(**{name: getattr(SETTINGS, name) for name in Caps.__dataclass_fields__})
    graph = graph_of(story, caps)
    customers, shared = answer(graph, SETTINGS)
    assert customers == {key: members[0] for members in story.customers for key in members}
    assert shared == story.shared
    assert (customers, shared) == who_is_who(graph.kinds, graph.links, graph.aliases, graph.unlinks, caps)
