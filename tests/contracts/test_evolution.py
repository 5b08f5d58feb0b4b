"""The gate: what may follow a released schema, what may not, and that it names field, rule and remedy."""

import copy
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from pipeline.contracts.differences import differences
from pipeline.contracts.evolution import schema_findings, type_findings
from pipeline.contracts.releases import findings, read_set
from pipeline.contracts.schemas import family_schema, schemas_folder
from pipeline.contracts.soundness import schema_faults
from pipeline.contracts.types import touchpoint_types

Schema = dict[str, Any]
Edit = Callable[[Schema], object]


def orders() -> Schema:
    return copy.deepcopy(dict(family_schema("orders")))


def body(schema: Schema) -> list[Schema]:
    fields: list[Schema] = schema["fields"][-1]["type"][1]["fields"]
    return fields


def field(fields: list[Schema], name: str) -> Schema:
    return next(entry for entry in fields if entry["name"] == name)


def edited(edit: Edit) -> Schema:
    schema = orders()
    edit(schema)
    return schema


def symbols(schema: Schema) -> Schema:
    enum: Schema = field(schema["fields"], "channel")["type"][1]
    return enum


BREAKING: dict[str, tuple[Edit, str, str]] = {
    "a field goes": (lambda s: body(s).pop(2), "orders: body/coupon", "field_removed"),
    "a field is renamed": (lambda s: body(s)[2].update(name="voucher"), "orders: body/coupon", "field_removed"),
    "a number becomes text": (
        lambda s: field(body(s), "instalments").update(type=["null", "string"]),
        "orders: body/instalments",
        "type_changed",
    ),
    "an int becomes a long": (
        lambda s: field(body(s), "instalments").update(type=["null", "long"]),
        "orders: body/instalments",
        "type_changed",
    ),
    "a time becomes a number": (
        lambda s: field(body(s), "promised_delivery_at").update(type=["null", "long"]),
        "orders: body/promised_delivery_at",
        "type_changed",
    ),
    "a demanded field becomes nullable": (
        lambda s: field(s["fields"], "source").update(type=["null", "string"], default=None),
        "orders: source",
        "nullability_changed",
    ),
    "a new field is demanded": (
        lambda s: s["fields"].append({"name": "shop", "type": "string"}),
        "orders: shop",
        "default_missing",
    ),
    "a default goes": (lambda s: field(s["fields"], "revision").pop("default"), "orders: revision", "default_removed"),
    "a symbol goes": (lambda s: symbols(s)["symbols"].remove("store"), "orders: channel", "symbol_removed"),
    "symbols change places": (lambda s: symbols(s)["symbols"].reverse(), "orders: channel", "symbols_reordered"),
    "a default symbol changes": (lambda s: symbols(s).update(default="web"), "orders: channel", "default_changed"),
    "a record is renamed": (
        lambda s: body(s)[0]["type"][1]["items"].update(name="Item"),
        "orders: body/lines/[]",
        "name_changed",
    ),
    "a field deep inside goes": (
        lambda s: body(s)[0]["type"][1]["items"]["fields"].pop(),
        "orders: body/lines/[]/shipping_minor",
        "field_removed",
    ),
    "a list becomes one value": (
        lambda s: field(body(s), "lines").update(type=["null", body(s)[0]["type"][1]["items"]]),
        "orders: body/lines",
        "type_changed",
    ),
}

HARMLESS: dict[str, Edit] = {
    "nothing": lambda _: None,
    "a nullable field more": lambda s: body(s).append(
        {"name": "gift", "type": ["null", "boolean"], "default": None, "doc": "A gift."}
    ),
    "a symbol more": lambda s: symbols(s)["symbols"].append("hologram"),
    "another doc": lambda s: field(s["fields"], "id").update(doc="Otherwise."),
    "fields in another order": lambda s: s["fields"].insert(0, s["fields"].pop(3)),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_named_with_field_rule_and_remedy(name: str) -> None:
    edit, where, rule = BREAKING[name]
    found = schema_findings("orders", orders(), edited(edit))
    assert (where, rule) in [(finding.where, finding.rule) for finding in found]
    assert all(finding.remedy and finding.detail for finding in found)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_change_may_pass_and_avro_agrees(name: str) -> None:
    """Fastavro reads records of each version with the other."""
    changed = edited(HARMLESS[name])
    assert schema_findings("orders", orders(), changed) == []
    record = {"id": "1", "type": "order.placed", "source": "s", "occurred_at": 0, "body": None}
    for writer, reader in ((orders(), changed), (changed, orders())):
        payload = _written(writer, record)
        read = fastavro.schemaless_reader(payload, fastavro.parse_schema(writer), fastavro.parse_schema(reader))
        assert isinstance(read, dict)
        assert read["id"] == "1"


def _written(schema: Schema, record: Schema) -> io.BytesIO:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), record)
    buffer.seek(0)
    return buffer


UNSOUND: dict[str, tuple[Any, str]] = {
    "contains itself": (
        {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"], "default": None}]},
        "recursive",
    ),
    "contains itself by its full name": (
        {
            "type": "record",
            "name": "Node",
            "namespace": "a.b",
            "fields": [{"name": "all", "type": {"type": "array", "items": "a.b.Node"}}],
        },
        "recursive",
    ),
    "items of no width": (
        {"type": "record", "name": "R", "fields": [{"name": "bomb", "type": {"type": "array", "items": "null"}}]},
        "zero_width_items",
    ),
    "records of nulls": (
        {
            "type": "record",
            "name": "R",
            "fields": [
                {
                    "name": "bomb",
                    "type": {
                        "type": "array",
                        "items": {"type": "record", "name": "N", "fields": [{"name": "n", "type": "null"}]},
                    },
                }
            ],
        },
        "zero_width_items",
    ),
    "no bytes at all": (
        {
            "type": "record",
            "name": "R",
            "fields": [{"name": "bomb", "type": {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}}],
        },
        "zero_width_items",
    ),
    "a map": (
        {"type": "record", "name": "R", "fields": [{"name": "m", "type": {"type": "map", "values": "string"}}]},
        "unreadable_type",
    ),
    "a wide union": (
        {"type": "record", "name": "R", "fields": [{"name": "u", "type": ["null", "string", "long"]}]},
        "wide_union",
    ),
    "an enum without default": (
        {
            "type": "record",
            "name": "R",
            "fields": [{"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["a"]}}],
        },
        "default_missing",
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_what_is_unsafe_or_unreadable_is_refused(name: str) -> None:
    schema, rule = UNSOUND[name]
    assert rule in [finding.rule for finding in schema_faults("x", schema)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the schemas."""
    shutil.copytree(schemas_folder(), tmp_path / "schemas")
    return tmp_path / "schemas"


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_schemas_of_today_pass(folder: Path) -> None:
    assert findings(folder) == []


def test_compatibility_is_transitive(folder: Path) -> None:
    """What fits the last release but not an earlier one is refused."""
    shutil.copytree(folder / "released" / "1", folder / "released" / "2")
    first = folder / "released" / "1" / "orders.avsc"
    schema = json.loads(first.read_text(encoding="utf-8"))
    body(schema).append({"name": "wrapping", "type": ["null", "string"], "default": None, "doc": "Paper."})
    first.write_text(json.dumps(schema), encoding="utf-8")
    (found,) = findings(folder)
    assert (found.where, found.rule) == ("orders: body/wrapping", "field_removed")


def test_an_envelope_is_edited_in_all_nine_files_or_not_at_all(folder: Path) -> None:
    rewrite(folder / "web.avsc", '"default": null, "doc": "Survey."', '"default": null, "doc": "A survey."')
    assert {finding.rule for finding in findings(folder)} == {"envelope_differs"}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('"order.placed" =', '"order.set" =', "type_removed"),
        ('body = ["lines", "promised_delivery_at", "coupon"]', 'body = ["lines", "coupon"]', "field_removed"),
        ('["instrument", "score"], doc', '["instrument", "score", "scale_max"], doc', "field_required"),
        ('"social.mentioned" = { family = "social"', '"social.mentioned" = { family = "web"', "family_changed"),
        ('family = "web", stage = "buy"', 'family = "web", stage = "purchase"', "unknown_stage"),
        ('body = ["product", "quantity"]', 'body = ["product", "quantity", "colour"]', "unknown_field"),
    ],
)
def test_the_table_of_types_is_gated_too(folder: Path, old: str, new: str, rule: str) -> None:
    rewrite(folder / "types.toml", old, new)
    assert rule in {finding.rule for finding in findings(folder)}


def test_rows_that_stay_are_no_findings() -> None:
    assert list(type_findings(touchpoint_types(), touchpoint_types())) == []


def test_differences_tell_what_was_added(folder: Path) -> None:
    released = read_set(folder / "released" / "1")
    rewrite(
        folder / "returns.avsc",
        '"doc": "Way of the refund."}',
        '"doc": "Way of the refund."},\n      {"name": "hurt", "type": ["null", "int"], "default": null, "doc": "X."}',
    )
    told = [entry for entry in differences(released, read_set(folder)) if entry.where == "returns: body/hurt"]
    assert [(entry.change, entry.now) for entry in told] == [("added", "null or int = null")]
