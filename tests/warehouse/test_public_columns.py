"""The views that other programs depend on have the contract's columns, with their types and comments."""

from collections.abc import Callable

from clickhouse_connect.driver.client import Client

from pipeline.contracts.schemas import body_fields
from pipeline.contracts.types import touchpoint_types
from pipeline.warehouse.views import core_views


def test_every_view_and_column_carries_a_comment(client: Client) -> None:
    columns = client.query("SELECT table, comment FROM system.columns WHERE database = currentDatabase()").result_rows
    tables = client.query("SELECT name, comment FROM system.tables WHERE database = currentDatabase()").result_rows
    assert {row[0] for row in tables} >= {row[0] for row in columns} >= set(core_views())
    assert all(comment for _, comment in [*columns, *tables])


def test_every_body_field_is_a_column(client: Client) -> None:
    columns = {row[0] for row in client.query("DESCRIBE v_touchpoints").result_rows}
    for row in touchpoint_types().values():
        domain = row.name.partition(".")[0]
        for field in row.body:
            assert field in body_fields(row.family)
            assert field in columns or f"{domain}_{field}" in columns, (row.name, field)


UUIDS = {
    "event_uid",
    "customer_uid",
    "visit_id",
    "journey_id",
    "pain_point_id",
    "ident_key",
    "to_customer_uid",
    "cause_event_uid",
}
CONTRACT: dict[str, str] = {
    "v_touchpoints": "event_uid event_id source type stage channel direction occurred_at received_at customer_uid "
    "journey_id visit_id order_id shipment_id return_id ticket_id conversation_id subscription_id survey_id campaign "
    "url referrer amount_minor currency attributes",
    "v_visits": "visit_id customer_uid journey_id started_at ended_at touchpoints channel entry_url exit_url "
    "channel_group utm_source utm_medium utm_campaign",
    "v_journeys": "journey_id customer_uid started_at ended_at touchpoints visits channels stages path orders revenue "
    "pain_points is_open",
    "v_journey_steps": "journey_id customer_uid step event_uid occurred_at type stage channel seconds_since_previous",
    "v_pain_points": "pain_point_id kind severity customer_uid journey_id occurred_at order_id ticket_id evidence "
    "detail rule_version",
    "v_customers": "customer_uid first_seen_at last_seen_at identifiers touchpoints visits journeys orders revenue "
    "pain_points",
    "v_identities": "kind ident_key customer_uid shared",
    "v_identity_ledger": "changed_at kind ident_key from_customer_uid to_customer_uid cause_event_uid rule",
    "v_rejected": "rejected_at topic partition offset reason detail schema payload",
}


def test_public_columns_stand_first_and_have_their_types(client: Client) -> None:
    for name in CONTRACT:
        check_public_columns(client, name)


def check_public_columns(client: Client, name: str) -> None:
    described = {row[0]: row[1] for row in client.query(f"DESCRIBE {name}").result_rows}
    public = CONTRACT[name].split()
    assert list(described)[: len(public)] == public
    tests: list[tuple[Callable[[str], bool], str]] = [
        (lambda column: column.endswith("_at"), "DateTime64(3, 'UTC')"),
        (lambda column: column in UUIDS - ({"journey_id", "visit_id"} if name == "v_touchpoints" else set()), "UUID"),
        (lambda column: column == "revenue", "Map(String, Int64)"),
        (lambda column: column == "attributes", "Map(String, String)"),
        (lambda column: column == "evidence", "Array(UUID)"),
        (lambda column: column in ("path", "stages", "channels"), "Array(String)"),
        (lambda column: column == "amount_minor", "Nullable(Int64)"),
        (lambda column: column == "seconds_since_previous", "Nullable(Float64)"),
        (lambda column: column == "from_customer_uid", "Nullable(UUID)"),
    ]
    for column in public:
        for applies, type_ in tests:
            if applies(column):
                assert described[column] == type_, column
