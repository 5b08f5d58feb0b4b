"""The worked examples of docs/identity.md hold: they are read from the page and run through the real rules."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KIND_RANK
from pipeline.identity.keys import KeyRing
from tests.identity.graphs import Graph, answer
from tests.oracle.identity import Caps, Link

PAGE = Path(__file__).parents[2] / "docs" / "identity.md"
EXAMPLES = re.findall(r"```example\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
NAMED = re.compile(r'(\w+) "([^"]*)"')
SETTINGS = IdentitySettings.model_validate({"hash_key": "any"})


@dataclass
class Story:
    """What an example says, with keys in place of values."""

    kinds: dict[bytes, str] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    aliases: list[Link] = field(default_factory=list)
    unlinks: list[tuple[bytes, bytes]] = field(default_factory=list)
    customers: list[list[bytes]] = field(default_factory=list)
    shared: set[bytes] = field(default_factory=set)


def read(example: str) -> Story:
    """Read an example; the n-th line happens at time n."""
    ring, story = KeyRing(SETTINGS), Story()
    for at, line in enumerate(example.strip().splitlines()):
        named = [(kind, ring.key_of(kind, value)) for kind, value in NAMED.findall(line)]
        known = sorted((KIND_RANK[kind], key, kind) for kind, key in named if key is not None)
        keys = [key for _, key in named if key is not None]
        if line.startswith("a touchpoint names"):
            story.kinds |= {key: kind for _, key, kind in known}
            story.links += [Link(known[0][1], key, at) for _, key, _ in known[1:]]
        elif line.endswith("are one person"):
            story.aliases.append(Link(keys[0], keys[1], at))
        elif line.endswith("are not one person"):
            story.unlinks.append((keys[0], keys[1]))
        elif line.startswith("so one customer is:"):
            story.customers.append(keys)
        elif line.startswith("so shared is:"):
            story.shared |= set(keys)
        else:
            pytest.fail(f"an example has a line that nobody understands: {line}")
    return story


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: str) -> None:
    story = read(example)
    caps = Caps(**{name: getattr(SETTINGS, name) for name in Caps.__dataclass_fields__})
    graph = Graph(story.kinds, story.links, story.aliases, story.unlinks, caps)
    customers, shared = answer(graph, SETTINGS)
    assert customers == {key: members[0] for members in story.customers for key in members}
    assert shared == story.shared
