"""
Everything that results depend on besides the facts, as one document that can be recorded, compared and read back.

One rule: a setting that can change an answer is in the document, and nothing else is. Caps and thresholds are in it
without being listed, so that a new one cannot be forgotten. The secret is in it as a fingerprint only.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from pipeline.config import IdentitySettings, Settings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.identity.blocklist import blocklisted, key_fingerprint
from pipeline.stitching.pain.rule_table import RULES

Document = Mapping[str, object]
"""Setting as `group.name` → its value as JSON has it."""
_Group = TypeVar("_Group", bound=BaseModel)

STITCHING_RULES: Final = ("visit_gap", "journey_gap")
# These decide what lands, not what is made of it.
LANDING_ONLY: Final = ("hash_key", "phone_region")
# Raise it when the same facts and settings give another answer and no pain-point rule's own version tells so; a test
# holds fingerprints of the answers against it.
ANSWERS: Final = 2
# From this one on what a customer ordered, got and sent back lies on his row of results.
ANSWERS_WITH_TRADE: Final = 2

_DURATION: Final = re.compile(r"P(?=.)(\d+D)?(T.+)?")
_UNITS: Final = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))
_HASH_KEY: Final = "identity.hash_key"
_PROGRAM: Final = "program."


class RulesUnreadable(Exception):  # noqa: N818 - says what is the matter
    """Recorded rules that this program does not know: another version of it recorded them."""


@dataclass(frozen=True)
class Difference:
    """
    One thing in which two documents differ; None where one of them does not know it.

    `is_program`: the program itself differs, no setting can undo it.
    """

    name: str
    recorded: object
    wanted: object
    is_program: bool

    def __str__(self) -> str:
        """Return it as a phrase: what it is by the record, and what it would be."""
        leaves = _leaves(self.name, self.recorded, self.wanted)
        return "; ".join(f"{name}: {_text(was)} → {_text(now)}" for name, was, now in leaves)


def document_of(settings: Settings) -> Document:
    """Return the document of the rules that settings name."""
    groups = {
        "identity": settings.identity.model_dump(mode="json", exclude={*LANDING_ONLY, "blocklist"}),
        "stitching": settings.stitching.model_dump(mode="json", include=set(STITCHING_RULES)),
        "pain_points": settings.pain_points.model_dump(mode="json"),
    }
    document = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    document["identity.blocklist"] = list(blocklisted(settings.identity))
    document[_HASH_KEY] = key_fingerprint(settings.identity)
    document[f"{_PROGRAM}answers"] = ANSWERS
    document[f"{_PROGRAM}pain_rules"] = {rule.kind: rule.version for rule in RULES}
    return document


def write_document(document: Document) -> str:
    """Return a document as text; equal documents are equal texts."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def read_document(text: str) -> Document:
    """Return the document that a text holds."""
    read = json.loads(text)
    assert isinstance(read, dict)
    return read


def differences(recorded: Document, wanted: Document) -> list[Difference]:
    """Return in what two documents differ, by name; a secret that one of them does not name is no difference."""
    found = []
    for name in sorted({*recorded, *wanted}):
        was, now = recorded.get(name), wanted.get(name)
        if was == now or (name == _HASH_KEY and not (was and now)):
            continue
        is_program = name.startswith(_PROGRAM) or name not in recorded or name not in wanted
        found.append(Difference(name, was, now, is_program))
    return found


def settings_of(document: Document, settings: Settings) -> Settings:
    """
    Return settings with the rules that a document names.

    What the document does not know, because an earlier program recorded it, is as in `settings`.

    Raises:
        RulesUnreadable: If it names what this program does not know.
    """
    groups: dict[str, dict[str, object]] = {"identity": {}, "stitching": {}, "pain_points": {}}
    for name, value in document.items():
        group, _, key = name.partition(".")
        if name != _HASH_KEY and not name.startswith(_PROGRAM):
            groups.setdefault(group, {})[key] = value
    try:
        return settings.model_copy(
            update={
                "identity": _with(IdentitySettings, settings.identity, groups.pop("identity")),
                "stitching": _with(StitchingSettings, settings.stitching, groups.pop("stitching")),
                "pain_points": _with(PainPointSettings, settings.pain_points, groups.pop("pain_points")),
            }
        )
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise RulesUnreadable(f"recorded by another version of the program ({faults})") from error


def _with(model: type[_Group], group: _Group, values: dict[str, object]) -> _Group:
    return model.model_validate({**group.model_dump(), **values})


def _leaves(name: str, was: object, now: object) -> list[tuple[str, object, object]]:
    """Return in which of their parts two values differ: of many calendars the one hour that is another."""
    if not (isinstance(was, Mapping) and isinstance(now, Mapping)):
        return [] if was == now else [(name, was, now)]
    return [leaf for part in sorted({*was, *now}) for leaf in _leaves(f"{name}.{part}", was.get(part), now.get(part))]


def _text(value: object) -> str:
    if value is None:
        return "not known"
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if not _DURATION.fullmatch(value):
        return value
    left, units = TypeAdapter(timedelta).validate_python(value).total_seconds(), []
    for unit, size in _UNITS:
        whole, left = divmod(left, size)
        units += [f"{whole:g}{unit}"] if whole else []
    return " ".join(units) or "0s"
