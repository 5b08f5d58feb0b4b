"""
One message of the Segment wire format as a touchpoint.

The rule owned here: what a message says about who, when and what is judged like any touchpoint; everything else that it
carries may be odd and costs nothing. What fits no field becomes an attribute, a name nobody knows becomes
`custom.tracked`. E-mail addresses and phone numbers among the traits become identifiers and never attributes, because
identifiers are stored only as hashes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import orjson

from pipeline.contracts.kinds import REFERENCE_KINDS
from pipeline.contracts.reasons import Problem, Reason, pointer_to
from pipeline.contracts.schemas import AvroField, body_fields
from pipeline.contracts.times import parse_rfc3339
from pipeline.contracts.types import touchpoint_types
from pipeline.producers.segment.circumstances import channel_of, consent_of, context_of, identities_of
from pipeline.producers.segment.fitting import find, fit, moment, money, product_ids, says_more, text_of
from pipeline.producers.segment.vocabulary import Naming, Sources, plain, vocabulary

MESSAGE_KINDS: Final = ("track", "identify", "page", "screen", "group", "alias")
"""Kinds of messages."""

DEEPEST: Final = 32
"""Levels of nesting that a property may have."""

MOST_ATTRIBUTES: Final = 1_000
"""Properties that one message may have beside those that fill fields."""

_PLAIN: Final = {
    "identify": plain("account.identified"),
    "group": plain("account.grouped"),
    "alias": plain("identity.aliased"),
    "page": plain("web.page_viewed"),
    "screen": plain("app.screen_viewed"),
}
_CUSTOM: Final = plain("custom.tracked")
_REFS: Final = (*REFERENCE_KINDS, "survey_id", "campaign")
_UUID_OF_TIME: Final = 7
_UNTIMED: Final = (
    "no timestamp: it happened when it was received; sent again to another collector, or to this one after a restart,"
    " it counts as another event; send timestamp, or a UUIDv7 as messageId"
)
_CONTACTS: Final = ("email", "phone")
_PAGE_PROPERTIES: Final = ("url", "title", "referrer")


@dataclass(frozen=True, slots=True)
class Sender:
    """
    Whose messages they are, and how they are read.

    Attributes:
        source: The touchpoints' source: the name of the write key.
        default_currency: Of money that names none.
        names: What names mean.
    """

    source: str
    default_currency: str = "USD"
    names: Mapping[str, Naming] = field(default_factory=vocabulary)


@dataclass(frozen=True, slots=True)
class Translated:
    """
    A touchpoint made from something else.

    Attributes:
        touchpoint: In the JSON form.
        places: Where a place of the touchpoint stands in what was sent, as JSON pointers.
        warning: What its sender should know although it may enter.
    """

    touchpoint: dict[str, Any]
    places: Mapping[str, str]
    warning: str | None = None

    def place(self, pointer: str) -> str:
        """Return where a fault of the touchpoint stands in what was sent."""
        known = max((each for each in self.places if (pointer + "/").startswith(each + "/")), key=len, default=None)
        return pointer if known is None else self.places[known] + pointer[len(known) :]


_PLACES: Final = {
    "/id": "/messageId",
    "/occurred_at": "/timestamp",
    "/sent_at": "/sentAt",
    "/type": "/type",
    "/identities": "/userId",
    "/refs": "/properties",
    "/body": "/properties",
    "/body/name": "/event",
    "/body/a": "/previousId",
    "/body/b": "/userId",
    "/attributes": "/properties",
}


_OTHER_PLACES: Final[Mapping[str, Mapping[str, str]]] = {
    "track": {"/type": "/event"},
    "identify": {"/attributes": "/traits"},
    "group": {"/attributes": "/traits", "/body/group_id": "/groupId"},
}


def to_touchpoint(message: object, sender: Sender, received_at: int, kind: str | None = None) -> Translated | Problem:
    """
    Turn a message into a touchpoint.

    Args:
        message: Decoded JSON.
        sender: Whose it is.
        received_at: Moment of the receipt, epoch milliseconds: the time of a message that has none, nor a UUIDv7 as id.
        kind: What sort of message it is where the address says so; else its `type` does.

    Returns:
        The touchpoint, not yet judged, or why there can be none.
    """
    if not isinstance(message, dict):
        return Problem(Reason.WRONG_TYPE, "", "a message is a JSON object")
    kind = kind or message.get("type") or ("track" if "event" in message else None)
    if kind not in MESSAGE_KINDS:
        detail = f"a message is one of {', '.join(MESSAGE_KINDS)}"
        return Problem(Reason.MISSING_FIELD if kind is None else Reason.UNKNOWN_TYPE, "/type", detail)
    properties = message.get("traits" if kind in ("identify", "group") else "properties")
    if (deep := _too_much(message, properties)) is not None:
        return deep
    if not isinstance(properties, dict):  # odd, and kept as it is
        properties = {} if properties in (None, "", []) else {"properties": properties}
    reading = _Reading(message, properties, sender)
    naming = _naming(kind, message, sender)
    touchpoint = _envelope(message, naming.type, sender, received_at)
    touchpoint["identities"] = identities_of(message, kind)
    touchpoint["context"] = context_of(message, reading.texts(_page_sources(kind, naming)))
    touchpoint["consent"] = consent_of(message)
    touchpoint["channel"] = naming.channel or channel_of(message, naming.type)
    touchpoint["session_id"] = text_of(find(message, "context.sessionId"))
    touchpoint["amount"] = reading.amount(naming, may_use_up=naming is not _CUSTOM)
    touchpoint["body"] = _body(kind, message, naming, reading)
    touchpoint["refs"] = reading.refs(naming, may_use_up=naming is not _CUSTOM)
    touchpoint["attributes"] = reading.attributes(kind)
    places = {**_PLACES, **_OTHER_PLACES.get(kind, {})}
    told = {name: value for name, value in touchpoint.items() if value not in (None, [], {})}
    return Translated(told, places, _UNTIMED if _time_told(message) is None else None)


def _naming(kind: str, message: Mapping[str, Any], sender: Sender) -> Naming:
    if kind != "track":
        return _PLAIN[kind]
    event = message.get("event")
    return sender.names.get(event.strip().lower(), _CUSTOM) if isinstance(event, str) else _CUSTOM


def _envelope(message: Mapping[str, Any], type_name: str, sender: Sender, received_at: int) -> dict[str, Any]:
    told = _time_told(message)
    return {
        "id": _id(message.get("messageId")) or _made_id(message, sender, received_at, is_timed=told is not None),
        "type": type_name,
        "source": sender.source,
        "occurred_at": moment(told) if told is not None else received_at,
        "sent_at": _known_moment(message.get("sentAt")),
    }


def _time_told(message: Mapping[str, Any]) -> object:
    """Return when it happened; the time inside of an id stays the same however often the message is sent."""
    return message.get("timestamp") or message.get("originalTimestamp") or _time_in(message.get("messageId"))


def _time_in(message_id: object) -> int | None:
    """Return the moment in a UUIDv7, epoch milliseconds."""
    if not isinstance(message_id, str) or len(message_id) not in (32, 36):
        return None
    try:
        known = UUID(message_id)
    except ValueError:
        return None
    return known.int >> 80 if known.version == _UUID_OF_TIME else None


def _known_moment(value: object) -> object:
    """Return a time that only tells the clock skew: one that is none costs nothing."""
    told = moment(value)
    return told if isinstance(told, str) and parse_rfc3339(told) is not None else None


def _id(value: object) -> object:
    return str(value) if type(value) is int else value


def _made_id(message: Mapping[str, Any], sender: Sender, received_at: int, *, is_timed: bool) -> str:
    """Return an id for a message without one: the same when the same message comes again, if it tells its time."""
    content = {name: value for name, value in message.items() if name != "sentAt"}
    salt = b"" if is_timed else received_at.to_bytes(8, "big", signed=True)
    told = orjson.dumps([sender.source, content], option=orjson.OPT_SORT_KEYS, default=str)
    return "made-" + blake2b(told + salt, digest_size=16).hexdigest()


def _page_sources(kind: str, naming: Naming) -> Sources:
    return {name: (name,) for name in _PAGE_PROPERTIES} if kind == "page" else naming.context


def _body(kind: str, message: Mapping[str, Any], naming: Naming, reading: "_Reading") -> dict[str, Any]:
    match kind:
        case "alias":
            sides = {"a": message.get("previousId"), "b": message.get("userId")}
            return {name: {"kind": "customer_id", "value": text_of(value)} for name, value in sides.items() if value}
        case "group":
            return {"group_id": text_of(message.get("groupId")), **reading.body(naming, leaving=("group_id",))}
        case "page":
            category = message.get("category")
            return {**({"content_group": category} if isinstance(category, str) else {}), **reading.body(naming)}
        case "screen":
            name = message.get("name")
            return {**({"screen": name} if isinstance(name, str) and name else {}), **reading.body(naming)}
    if naming is _CUSTOM:
        return {"name": text_of(message.get("event"))}
    return reading.body(naming)


class _Reading:
    """The properties of one message, and which of them have found their place."""

    def __init__(self, message: Mapping[str, Any], properties: Mapping[str, Any], sender: Sender) -> None:
        self._message = message
        self._properties = properties
        self._used: set[str] = set()
        currency = properties.get("currency")
        self._currency = currency if isinstance(currency, str) and currency.strip() else sender.default_currency

    def texts(self, sources: Sources) -> dict[str, str]:
        """Return the fields of the context that properties fill."""
        found = {}
        for name, paths in sources.items():
            path, value = self._first(paths)
            if isinstance(value, str):
                found[name] = value
                self._use(path)
        return found

    def amount(self, naming: Naming, *, may_use_up: bool) -> dict[str, Any] | None:
        """Return the money, rounded half up to the currency's exponent."""
        path, value = self._first(naming.amount)
        made = money(value, self._currency)
        if made is None:
            return None
        if may_use_up:
            self._use(path)
            self._use("currency")
        return {"minor": made[0], "currency": made[1]}

    def body(self, naming: Naming, leaving: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the body: what the name tells, and what the properties fill."""
        row = touchpoint_types()[naming.type]
        fields = body_fields(row.family)
        body = dict(naming.constants)
        for name in row.body:
            if name in body or name in leaving:
                continue
            path, value = self._first((*naming.body.get(name, ()), name))
            fitted = fit(value, fields[name], self._currency)
            if fitted is not None:
                body[name] = fitted
                if not _keeps_more(fields[name], value):
                    self._use(path)
        return body

    def refs(self, naming: Naming, *, may_use_up: bool) -> dict[str, Any]:
        """Return the business objects that properties name."""
        refs: dict[str, Any] = {}
        for name in _REFS:
            path, value = self._first((*naming.refs.get(name, ()), name))
            if (name != "campaign" or name in naming.refs) and (text := text_of(value)):
                refs[name] = text
                if may_use_up:
                    self._use(path)
        products = product_ids(self._properties.get("products") or self._properties.get("items"))
        if not products and (single := text_of(self._properties.get("product_id"))):
            products = [single]
        return {**refs, **({"product_ids": products} if products else {})}

    def attributes(self, kind: str) -> list[dict[str, str]]:
        """Return what has found no place, as text; JSON where it is no scalar."""
        left = {name: value for name, value in self._properties.items() if name not in self._used}
        if kind == "identify":
            left = {name: value for name, value in left.items() if name not in _CONTACTS}
        if kind == "page" and (name := self._message.get("name")):
            left.setdefault("name", name)
        return [
            {"key": name, "value": value if isinstance(value, str) else orjson.dumps(value).decode()}
            for name, value in left.items()
            if value is not None
        ]

    def _first(self, paths: tuple[str, ...]) -> tuple[str, Any]:
        for path in paths:
            value = self._properties.get(path) if "." not in path else find(self._properties, path)
            if value is not None and value != "":
                return path, value
        return "", None

    def _use(self, path: str) -> None:
        if "." not in path:
            self._used.add(path)


def _keeps_more(field: AvroField, value: object) -> bool:
    """Tell whether a list says more than the field took, so that it stays an attribute too."""
    return field.kind.startswith("array") and isinstance(value, list) and says_more(value) and _has_objects(value)


def _has_objects(value: list[Any]) -> bool:
    return any(isinstance(item, dict) for item in value)


def _too_much(message: Mapping[str, Any], properties: object) -> Problem | None:
    """Return why a message is more than one may be."""
    if isinstance(properties, dict) and len(properties) > MOST_ATTRIBUTES:
        detail = f"{len(properties)} properties; a message has at most {MOST_ATTRIBUTES}"
        return Problem(Reason.TOO_LARGE, "/properties", detail)
    for name, value in message.items():
        if _is_deep(value, DEEPEST):
            return Problem(Reason.TOO_LARGE, pointer_to(name), f"nested deeper than {DEEPEST} levels")
    return None


def _is_deep(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_is_deep(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_is_deep(item, levels - 1) for item in value)
    return False
