"""The Olist files as touchpoints: on a tiny made-up folder, and on the real one where it is."""

import os
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import IdentitySettings
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Admission, Admitted
from pipeline.producers.errors import InputError
from pipeline.producers.olist import OlistFolder
from tests.producers.events import RECEIVED_AT

SIBLING = Path(__file__).parents[3] / "shared" / "data" / "olist"

FILES = {
    "customers": """customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state
c1,person-1,35182,timoteo,MG
c2,person-2,20231,rio de janeiro,RJ
c3,person-1,35182,timoteo,MG
""",
    "orders": """order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,\
order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date
o1,c1,delivered,2017-07-09 21:57:05,2017-07-09 22:10:13,2017-07-11 14:58:04,2017-07-26 10:57:55,2017-07-20 00:00:00
o2,c2,canceled,2017-08-09 21:57:05,,,,2017-09-01 00:00:00
o3,c3,unavailable,2017-09-01 08:00:00,2017-09-01 09:00:00,,,2017-09-09 00:00:00
""",
    "order_items": """order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value
o1,1,p1,s1,2017-07-14 00:00:00,99.9,27.65
o1,2,p1,s1,2017-07-14 00:00:00,99.9,0.0
o2,1,p2,s2,2017-08-14 00:00:00,10.00,1.1
""",
    "order_payments": """order_id,payment_sequential,payment_type,payment_installments,payment_value
o1,1,credit_card,2,200.45
o1,2,voucher,1,27.0
gone,1,voucher,1,27.0
""",
    "order_reviews": """review_id,order_id,review_score,review_comment_title,review_comment_message,\
review_creation_date,review_answer_timestamp
r1,o1,1,Não chegou ,"Péssimo,
em ""duas"" linhas",2017-07-27 00:00:00,2017-07-28 04:10:37
r1,o3,5,,,2017-09-10 00:00:00,2017-09-09 23:00:00
""",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for table, text in files.items():
        (folder / f"olist_{table}_dataset.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write(tmp_path, FILES)


def by_id(folder: Path) -> dict[str, dict[str, Any]]:
    found = {touchpoint["id"]: touchpoint for touchpoint in OlistFolder(folder).touchpoints()}
    assert len(found) == len(list(OlistFolder(folder).touchpoints())), "ids are unique"
    return found


def judged(touchpoint: dict[str, Any]) -> dict[str, Any]:
    admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
    outcome = admission.judge(touchpoint, RECEIVED_AT)
    assert isinstance(outcome, Admitted), outcome
    event = decode_touchpoint(outcome.record.value)
    assert isinstance(event, dict)
    return event


def test_every_row_becomes_the_touchpoints_it_tells_of(tiny: Path) -> None:
    assert set(by_id(tiny)) == {
        "o1:placed",
        "o1:shipped",
        "o1:delivered",
        "o1:payment:1",
        "o1:payment:2",
        "o2:placed",
        "o2:cancelled",
        "o3:placed",
        "o3:cancelled",
        "r1:o1:sent",
        "r1:o1:answered",
        "r1:o3:sent",
        "r1:o3:answered",
    }


def test_all_of_them_are_correct_touchpoints(tiny: Path) -> None:
    for touchpoint in by_id(tiny).values():
        judged(touchpoint)


def test_an_order_knows_its_person_its_promise_and_its_lines(tiny: Path) -> None:
    placed = judged(by_id(tiny)["o1:placed"])
    assert [(each["kind"], each["value"]) for each in placed["identities"]] == [("customer_id", "person-1")]
    assert placed["amount"] == {"minor": 22745, "currency": "BRL"}
    assert placed["occurred_at"] == int(datetime.fromisoformat("2017-07-09T21:57:05+00:00").timestamp() * 1000)
    assert placed["body"]["promised_delivery_at"] == int(
        datetime.fromisoformat("2017-07-20T00:00:00+00:00").timestamp() * 1000
    )
    assert [line["price_minor"] for line in placed["body"]["lines"]] == [9990, 9990]
    assert [line["shipping_minor"] for line in placed["body"]["lines"]] == [2765, 0]
    assert placed["refs"]["product_ids"] == ["p1"]
    assert placed["channel"] == "marketplace"


def test_the_amount_is_what_was_paid_else_what_the_items_cost_else_unknown(tiny: Path) -> None:
    found = by_id(tiny)
    assert found["o1:placed"]["amount"]["minor"] == 22745
    assert found["o2:placed"]["amount"]["minor"] == 1110
    assert "amount" not in found["o3:placed"]


def test_payments_carrier_and_surveys_know_the_order_alone(tiny: Path) -> None:
    for event_id, touchpoint in by_id(tiny).items():
        if not event_id.endswith(":placed"):
            assert touchpoint["identities"] == []
            assert touchpoint["refs"]["order_id"] in {"o1", "o2", "o3"}


def test_a_cancelled_order_ends_at_its_last_known_moment(tiny: Path) -> None:
    found = by_id(tiny)
    assert found["o2:cancelled"]["occurred_at"] == "2017-08-09T21:57:05Z"
    assert found["o3:cancelled"]["occurred_at"] == "2017-09-01T09:00:00Z"
    assert found["o3:cancelled"]["body"]["reason"] == "unavailable"


def test_a_review_keeps_its_score_and_the_lines_of_its_comment(tiny: Path) -> None:
    answered = judged(by_id(tiny)["r1:o1:answered"])
    assert answered["body"]["score"] == 1
    assert (answered["body"]["scale_min"], answered["body"]["scale_max"]) == (1, 5)
    assert answered["body"]["comment"] == 'Não chegou\nPéssimo,\nem "duas" linhas'
    assert "comment" not in judged(by_id(tiny)["r1:o3:answered"])["body"]


def test_rows_of_an_order_that_is_not_there_are_left_out_and_counted(tiny: Path) -> None:
    folder = OlistFolder(tiny)
    list(folder.touchpoints())
    assert folder.orphans == 1


def test_the_same_files_give_the_same_touchpoints(tiny: Path) -> None:
    assert list(OlistFolder(tiny).touchpoints()) == list(OlistFolder(tiny).touchpoints())


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        OlistFolder(tmp_path / "nowhere")


@pytest.mark.parametrize("table", FILES)
def test_a_missing_file_is_told_before_anything_is_sent(table: str, tiny: Path) -> None:
    (tiny / f"olist_{table}_dataset.csv").unlink()
    with pytest.raises(InputError, match=f"olist_{table}_dataset.csv: no such file"):
        OlistFolder(tiny)


def test_a_missing_column_is_told_before_anything_is_sent(tiny: Path) -> None:
    write(tiny, {"order_payments": FILES["order_payments"].replace("payment_value", "value")})
    with pytest.raises(InputError, match=r"order_payments_dataset.csv: column payment_value is missing"):
        OlistFolder(tiny)


@pytest.mark.parametrize(
    ("table", "good", "bad", "told"),
    [
        ("orders", "2017-08-09 21:57:05", "yesterday", r"line 3: column order_purchase_timestamp holds 'yesterday'"),
        ("orders", "o2,c2", ",c2", r"line 3: column order_id holds ''"),
        ("order_payments", "200.45", "200,45", "expected an amount"),
        ("order_payments", "27.0\ng", "nan\ng", "expected an amount"),
        ("order_reviews", "r1,o3,5", "r1,o3,five", "expected a whole number"),
    ],
)
def test_a_cell_that_cannot_be_read_is_told_with_its_place(
    table: str, good: str, bad: str, told: str, tiny: Path
) -> None:
    text = FILES[table].replace(good, bad, 1)
    assert text != FILES[table]
    if table == "order_payments" and "nan" not in bad:
        text = text.replace("200,45", '"200,45"')
    write(tiny, {table: text})
    with pytest.raises(InputError, match=told):
        list(OlistFolder(tiny).touchpoints())


def test_a_file_that_is_not_utf8_is_told(tiny: Path) -> None:
    (tiny / "olist_order_reviews_dataset.csv").write_bytes(FILES["order_reviews"].encode("latin-1"))
    with pytest.raises(InputError, match="not a UTF-8 CSV file"):
        list(OlistFolder(tiny).touchpoints())


def test_the_real_files_hold_what_any_correct_pipeline_finds() -> None:
    folder = Path(os.getenv("THROUGHLINE_OLIST_DIR") or SIBLING)  # noqa: TID251 - no setting: where test data lies
    if not folder.is_dir():
        pytest.skip(f"no Olist files at {folder}: set THROUGHLINE_OLIST_DIR to check the real counts")
    olist = OlistFolder(folder)
    touchpoints = list(olist.touchpoints())
    assert len({touchpoint["id"] for touchpoint in touchpoints}) == len(touchpoints)
    assert olist.orphans == 0
    assert olist.count_rows() <= len(touchpoints)
    counts = Counter(touchpoint["type"] for touchpoint in touchpoints)
    placed = [touchpoint for touchpoint in touchpoints if touchpoint["type"] == "order.placed"]
    promises = {each["refs"]["order_id"]: each["body"]["promised_delivery_at"] for each in placed}
    late = [
        touchpoint
        for touchpoint in touchpoints
        if touchpoint["type"] == "delivery.delivered"
        and touchpoint["occurred_at"] > promises[touchpoint["refs"]["order_id"]]
    ]
    assert counts["order.placed"] == 8_135
    assert len({each["identities"][0]["value"] for each in placed}) == 8_016
    assert counts["delivery.delivered"] == 5_170
    assert len(late) == 415
    assert counts["survey.answered"] == counts["survey.sent"] == 8_225
    assert counts["payment.made"] == 8_924
    admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
    assert all(isinstance(admission.judge(each, RECEIVED_AT), Admitted) for each in touchpoints[::7])
