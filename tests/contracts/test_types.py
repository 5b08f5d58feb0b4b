"""The table of types: every type of the taxonomy, in agreement with the schemas both ways."""

import pytest

from pipeline.contracts.kinds import ANY_STAGE, CHANNELS, DIRECTIONS, STAGES
from pipeline.contracts.schemas import body_fields
from pipeline.contracts.topics import TOUCHPOINT_TOPICS, family_of_topic, topic_of_family
from pipeline.contracts.types import FAMILIES, STATEMENT_TYPES, family_of, touchpoint_types

# The first words of types and the family whose topic they belong to.
DOMAINS = {
    "web": "web app content site product cart checkout form ui",
    "marketing": "marketing",
    "social": "social",
    "support": "support complaint",
    "orders": "order payment",
    "deliveries": "delivery",
    "returns": "return refund",
    "feedback": "survey review referral feedback",
    "accounts": "account subscription loyalty consent usage identity custom",
}

# The taxonomy: stage, then the types with the body fields that it names.
TAXONOMY = """
discover web.page_viewed content_group dwell_ms
discover app.screen_viewed screen previous
discover marketing.impression campaign creative placement cost
discover marketing.clicked campaign creative placement cost
discover content.read content_id kind depth_pct
consider site.searched query results_count
consider product.viewed product
consider product.list_viewed list_id products
any ui.clicked element x y ok
any ui.error_shown code message
consider form.submitted form_id errors
consider account.registered method
consider account.signed_in method
consider account.identified method
consider account.grouped method
any identity.aliased a b reason
any identity.unlinked a b reason
buy cart.item_added product quantity
buy cart.item_removed product quantity
buy checkout.step_reached step name outcome
buy payment.made method instalments
buy payment.failed code method
buy order.placed lines promised_delivery_at coupon
buy order.changed reason by
buy order.cancelled reason by
receive delivery.shipped carrier tracking_no promised_from promised_until
receive delivery.status_changed status eta
receive delivery.delivered delivered_at proof condition
use usage.used feature quantity
support support.call_started queue wait_s talk_s hold_s transfers answered agent_id reason resolved
support support.call_ended queue wait_s talk_s hold_s transfers answered agent_id reason resolved
support support.chat_started party text_hash handoff duration_s
support support.chat_message party text_hash handoff duration_s
support support.chat_ended party text_hash handoff duration_s
support support.email_received subject_hash thread_id
support support.email_sent subject_hash thread_id
support support.ticket_created status priority reason group assignee public_reply
support support.ticket_updated status priority reason group assignee public_reply
support support.ticket_solved status priority reason group assignee public_reply
support support.ticket_reopened status priority reason group assignee public_reply
support support.escalated from to why
support complaint.raised category severity regulator_ref remedy
support complaint.resolved category severity regulator_ref remedy
return return.requested lines reason
return return.received condition restockable
return refund.issued method
stay survey.sent instrument score scale_min scale_max comment trigger_event_id
stay survey.answered instrument score scale_min scale_max comment trigger_event_id
stay survey.declined instrument score scale_min scale_max comment trigger_event_id
advocate review.published rating scale text site verified
advocate social.mentioned network action sentiment reach
advocate social.interacted network action sentiment reach
advocate referral.sent code referee
advocate referral.converted code referee
stay loyalty.points_changed delta balance tier
stay loyalty.tier_changed delta balance tier
stay subscription.started plan period trial
stay subscription.renewed plan period trial
stay subscription.paused plan period trial
stay subscription.changed plan period trial
leave subscription.cancelled reason effective_at voluntary
leave marketing.unsubscribed list
leave consent.changed purposes
stay feedback.case_opened case_id owner cause_event_id outcome
stay feedback.action_taken case_id owner cause_event_id outcome
stay feedback.case_closed case_id owner cause_event_id outcome
any custom.tracked name
"""


def test_every_type_of_the_taxonomy_is_there_with_its_stage_and_fields() -> None:
    rows = [line.split() for line in TAXONOMY.strip().splitlines()]
    assert {name for _, name, *_ in rows} == set(touchpoint_types())
    for stage, name, *fields in rows:
        row = touchpoint_types()[name]
        assert row.stage == stage, name
        assert set(fields) <= set(row.body), name


def test_the_first_word_of_a_type_decides_its_family() -> None:
    families = {word: family for family, words in DOMAINS.items() for word in words.split()}
    for row in touchpoint_types().values():
        assert families[row.name.partition(".")[0]] == row.family


@pytest.mark.parametrize("family", FAMILIES)
def test_table_and_schema_agree_both_ways(family: str) -> None:
    """No row names a field that the schema lacks, and the schema has no field that no row names."""
    named: set[str] = set()
    for row in touchpoint_types().values():
        if row.family == family:
            assert len(row.body) == len(set(row.body))
            named |= set(row.body)
    assert named == set(body_fields(family))


def test_rows_use_the_closed_lists() -> None:
    for row in touchpoint_types().values():
        assert row.family in FAMILIES
        assert row.stage in (*STAGES, ANY_STAGE)
        assert row.channel in CHANNELS
        assert row.direction in DIRECTIONS
        assert row.doc.endswith(".")


def test_only_what_the_contract_says_is_required() -> None:
    required = {row.name: set(row.required) for row in touchpoint_types().values() if row.required}
    assert required == {
        "custom.tracked": {"name"},
        "survey.answered": {"instrument", "score"},
        "identity.aliased": {"a", "b"},
        "identity.unlinked": {"a", "b"},
    }
    assert all(set(row.required) <= set(row.body) for row in touchpoint_types().values())


@pytest.mark.parametrize(
    ("names", "channel", "direction"),
    [
        ("web.page_viewed order.placed payment.failed review.published return.requested", "web", "inbound"),
        ("app.screen_viewed", "app", "inbound"),
        ("marketing.impression", "other", "outbound"),
        ("marketing.clicked marketing.unsubscribed", "other", "inbound"),
        ("social.mentioned", "social", "inbound"),
        ("support.call_ended", "phone", "inbound"),
        ("support.chat_started support.escalated", "chat", "inbound"),
        ("support.email_received support.ticket_created complaint.raised survey.answered", "email", "inbound"),
        ("support.email_sent survey.sent", "email", "outbound"),
        ("delivery.shipped delivery.delivered", "post", "outbound"),
        ("return.received", "post", "inbound"),
        ("refund.issued loyalty.points_changed subscription.cancelled feedback.case_opened", "other", "outbound"),
        ("account.registered consent.changed usage.used custom.tracked", "web", "inbound"),
        ("identity.aliased identity.unlinked", "other", "system"),
    ],
)
def test_channel_and_direction_default_as_the_taxonomy_says(names: str, channel: str, direction: str) -> None:
    for name in names.split():
        row = touchpoint_types()[name]
        assert (row.channel, row.direction) == (channel, direction), name


def test_topics_are_named_after_families() -> None:
    assert tuple(topic_of_family(family) for family in FAMILIES) == TOUCHPOINT_TOPICS
    assert [family_of_topic(topic) for topic in TOUCHPOINT_TOPICS] == list(FAMILIES)
    assert family_of_topic("stitch.dirty") is None
    assert family_of_topic("web") is None
    with pytest.raises(KeyError):
        topic_of_family("nothing")


def test_family_of_unknown_types_is_none() -> None:
    assert family_of("order.placed") == "orders"
    assert family_of("order.vanished") is None
    assert set(STATEMENT_TYPES) == {name for name in touchpoint_types() if name.startswith("identity.")}
