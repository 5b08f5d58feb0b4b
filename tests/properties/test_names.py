"""Spellings, keys and contents: what the contract says, read twice, is the same bytes."""

import string

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.config import IdentitySettings
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.contracts.types import touchpoint_types
from pipeline.identity.keys import event_uid, ident_key
from pipeline.identity.normalise import normalise
from pipeline.streaming.decode.values import ValueDecoder
from pipeline.streaming.decode.verdicts import judge
from pipeline.streaming.landing.bodies import by_type
from pipeline.streaming.landing.content import canonical_content
from tests.oracle.identity import RANKS
from tests.oracle.naming import Naming, content
from tests.properties.effort import examples
from tests.streaming.samples import all_golden, places

SETTINGS = IdentitySettings.model_validate({"hash_key": "names", "phone_region": "DE"})
NAMING = Naming(b"names", SETTINGS.blocklist, "DE")

# Digits in three scripts, what people write between them, letters that change length with their case, odd blanks.
LETTERS = string.digits + "+-()./ abcABC@٣７ß\u0130ﬁ½\u00a0\u2003\u200b\u0301xX#,;"
texts = st.one_of(
    st.text(alphabet=LETTERS, max_size=18),
    st.text(max_size=12),
    st.sampled_from([*SETTINGS.blocklist, "[object Object]", "NULL", " Guest\t", "０００", "Ｎ／Ａ", "-1", "00 00"]),
)


@examples(150)
@given(st.sampled_from(RANKS), texts)
@example("phone", "00493012345")
@example("phone", "+49 (0)30 123 45 67")
@example("email", "ＡNNA@EXAMPLE.ORG ")
def test_one_value_has_one_spelling(kind: str, value: str) -> None:
    """NFKC, trimmed, lower case for mail, E.164 for phones; what identifies nobody is nothing."""
    found = normalise(kind, value, SETTINGS)
    assert found == NAMING.normal(kind, value)
    if found is not None:
        assert ident_key(kind, found, b"names") == NAMING.ident_key(kind, value)


@examples(50)
@given(st.text(max_size=9), st.text(max_size=9), st.integers(-(2**41), 2**43), st.binary(min_size=16, max_size=16))
def test_a_touchpoint_has_one_name(source: str, event_id: str, at: int, subject: bytes) -> None:
    assert event_uid(source, event_id, at, subject, b"names") == NAMING.event_uid(source, event_id, at, subject)


def test_contents_of_all_types_are_told_apart_by_the_same_text() -> None:
    families = [row.family for row in touchpoint_types().values()]
    judged = judge(ValueDecoder(1_048_576).decode(all_golden()), places(families))
    found = canonical_content(judged.envelopes, by_type(judged.bodies)).to_list()
    events = [decode_touchpoint(value) for value in all_golden()]
    assert found == [content(event) for event in events if isinstance(event, dict)]
