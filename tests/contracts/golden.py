"""
The golden examples: one believable touchpoint of every type as JSON and as the bytes that are sent.

`python -m tests.contracts.golden` writes the bytes of examples that have none; bytes that are there are never touched,
because they stand for records that are already in somebody's topic.
"""

from typing import Any

from pipeline.contracts.examples import example_of
from pipeline.contracts.schemas import schemas_folder
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint

FOLDER = schemas_folder() / "examples"


def example(type_name: str) -> dict[str, Any]:
    """Return the JSON example of a type, written or made."""
    return example_of(type_name)


def parsed(value: object) -> dict[str, Any]:
    """Return the event of a touchpoint that must be right."""
    event = parse_touchpoint(value)
    assert isinstance(event, dict), [str(problem) for problem in event]
    return event


def write_missing() -> None:
    """Write the bytes of examples that have none."""
    for written in FOLDER.glob("*.json"):
        name = written.stem
        file = FOLDER / f"{name}.avro"
        if not file.exists():
            file.write_bytes(encode_touchpoint(parsed(example(name))).value)


if __name__ == "__main__":
    write_missing()
