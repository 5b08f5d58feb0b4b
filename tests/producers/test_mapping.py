"""Rows of others: what a mapping makes of them, what it says is wrong with them, and with itself."""

import io
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import IdentitySettings
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.touchpoint import EncodedTouchpoint, decode_touchpoint
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Admission
from pipeline.producers.csvfile import import_csv
from pipeline.producers.errors import InputError
from pipeline.producers.importing import Importer
from pipeline.producers.mapping import RowMapping, Translation, read_mapping
from tests.producers.events import RECEIVED_AT

ORDERS = """
source = "erp"
delimiter = ";"
[fields]
"identities.email" = "mail"
"refs.order_id" = "no"
"attributes.branch" = { from = "branch", map = { B = "Berlin", M = "Munich" }, default = "elsewhere" }
[[touchpoint]]
type = "order.placed"
needs = ["created"]
[touchpoint.fields]
id = { template = "{no}-placed" }
occurred_at = { from = "created", format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }
amount = { from = "total", currency = "EUR", currency_from = "money", decimal = "," }
"body.coupon" = ["coupon", "voucher"]
[[touchpoint]]
type = "delivery.delivered"
when = { state = ["delivered", "signed"] }
[touchpoint.fields]
occurred_at = { from = "arrived", unit = "s" }
channel = { value = "store" }
"consent.marketing" = { from = "ads", as = "boolean" }
"""
HEADER = "no;mail;created;total;money;coupon;voucher;state;arrived;ads;branch\n"
ROW = "7;ada@example.org;01.03.2026 11:30;1.234,50;;;X1;delivered;1772366400;yes;B\n"


@pytest.fixture
def mapping(tmp_path: Path) -> RowMapping:
    return mapped(tmp_path, ORDERS)


def mapped(folder: Path, text: str) -> RowMapping:
    (folder / "map.toml").write_text(text, encoding="utf-8")
    return read_mapping(folder / "map.toml")


def imported(mapping: RowMapping, data: bytes) -> tuple[Importer, list[dict[str, Any]]]:
    sent: list[EncodedTouchpoint] = []
    admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
    importer = Importer(admission, sent.append, lambda: RECEIVED_AT + 10**9)
    import_csv(io.BytesIO(data), mapping, importer)
    events = [decode_touchpoint(record.value) for record in sent]
    return importer, [event for event in events if isinstance(event, dict)]


def test_a_row_becomes_the_touchpoints_that_fit_it(mapping: RowMapping) -> None:
    importer, (placed, delivered) = imported(mapping, (HEADER + ROW).encode())
    assert importer.report.accepted == 2
    assert (placed["id"], placed["source"], placed["type"]) == ("7-placed", "erp", "order.placed")
    assert placed["occurred_at"] == 1772361000000  # 11:30 in Berlin is 10:30 UTC
    assert placed["amount"] == {"minor": 123450, "currency": "EUR"}
    assert placed["body"] == {"coupon": "X1"}
    assert placed["refs"]["order_id"] == "7"
    assert placed["attributes"] == [{"key": "branch", "value": "Berlin"}]
    assert (delivered["occurred_at"], delivered["channel"]) == (1772366400000, "store")
    assert delivered["consent"] == [{"purpose": "marketing", "granted": True}]
    assert delivered["id"].startswith("row-")


def test_the_same_row_is_the_same_event_and_another_is_another(mapping: RowMapping) -> None:
    _, first = imported(mapping, (HEADER + ROW).encode())
    _, again = imported(mapping, (HEADER + ROW).encode())
    _, other = imported(mapping, (HEADER + ROW.replace(";yes;", ";no;")).encode())
    assert first[1]["id"] == again[1]["id"] != other[1]["id"]


def test_bad_rows_are_told_with_line_and_column_and_neighbours_enter(mapping: RowMapping) -> None:
    rows = [
        ROW,
        ROW.replace("01.03.2026", "2026-03-01"),
        ROW.replace("1.234,50", "much"),
        "1;2\n",
        ROW.replace("ada@example.org", ""),
        ROW.replace("7;", "8;"),
        ";;;;;;;unknown;;;\n",
        '9;"a\nb";01.03.2026 10:00;5,00;EUR;;;;;;M\n',
    ]
    data = (HEADER + "".join(rows)).encode() + ROW.replace("B\n", "").encode() + b"\xff\n"
    importer, _ = imported(mapping, data)
    faults = [(fault.line, fault.problem.reason.value, fault.problem.pointer) for fault in importer.report.faults]
    assert faults == [
        (3, "invalid_value", "created"),
        (4, "invalid_value", "total"),
        (5, "undecodable", ""),
        (11, "undecodable", ""),
    ]
    assert importer.report.skipped == 1
    # A fault of one touchpoint of a row is not the other's; without an address there is still an order.
    assert importer.report.accepted == 2 + 1 + 1 + 2 + 2 + 1


def test_reading_goes_on_from_any_row(mapping: RowMapping) -> None:
    data = (HEADER + "".join(ROW.replace("7;", f"{number};") for number in range(2_500))).encode()
    marks: list[tuple[int, int]] = []

    def run(start: tuple[int, int]) -> list[bytes]:
        sent: list[EncodedTouchpoint] = []
        admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
        importer = Importer(admission, sent.append, lambda: RECEIVED_AT + 10**9)
        import_csv(io.BytesIO(data), mapping, importer, lambda *at: marks.append(at), start)
        assert importer.report.rejected == 0
        return [record.value for record in sent]

    whole = run((0, 0))
    assert [line for _, line in marks] == [1001, 2001, 2501]
    assert run(marks[1]) == whole[4_000:]


def test_half_a_row_is_left_for_the_next_run(mapping: RowMapping) -> None:
    marks: list[tuple[int, int]] = []
    admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
    importer = Importer(admission, lambda _: None, lambda: RECEIVED_AT + 10**9)
    data = (HEADER + ROW + ROW.replace("7;", "8;")).encode()
    import_csv(io.BytesIO(data[:-1]), mapping, importer, lambda *at: marks.append(at))
    assert (importer.report.accepted, importer.report.left_bytes) == (2, len(ROW) - 1)
    import_csv(io.BytesIO(data), mapping, importer, lambda *at: marks.append(at), marks[-1])
    assert (importer.report.accepted, importer.report.left_bytes) == (4, 0)
    assert marks == [(len(HEADER + ROW), 2), (len(data), 3)]


def columns(**changed: str) -> dict[str, str]:
    return dict(zip(HEADER.strip().split(";"), ROW.strip().split(";"), strict=True)) | changed


def rows_of(*mails: str) -> bytes:
    return (HEADER + "".join(ROW.replace("ada@example.org", mail) for mail in mails)).encode()


def lines_told(importer: Importer) -> list[tuple[int, str]]:
    return [(fault.line, fault.problem.reason.value) for fault in importer.report.faults]


@pytest.mark.parametrize(
    "mails",
    [
        ("a@x.org", '"b@x.org', "c@x.org", "d@x.org", "e@x.org"),
        ("a@x.org", '"b@x.org', "c@x.org", '"d@x.org"', "e@x.org"),
        ("a@x.org", '"b"@x.org', "c@x.org", '"d@x.org"', "e@x.org"),
        ("a@x.org", "b" * (LARGEST_EVENT_BYTES + 9) + "@x.org", "c@x.org", "d@x.org", "e@x.org"),
        ("a@x.org", '"b' + "b" * (LARGEST_EVENT_BYTES + 9) + '@x.org"', "c@x.org", "d@x.org", "e@x.org"),
    ],
    ids=["never closed", "closed by the next", "more behind it", "too long", "too long in quotes"],
)
def test_a_row_that_is_none_swallows_no_neighbour(mapping: RowMapping, mails: tuple[str, ...]) -> None:
    """Only the second row is refused, with its line; those below are taken, and reading can go on at each of them."""
    importer, sent = imported(mapping, rows_of(*mails))
    assert [line for line, _ in lines_told(importer)] == [3]
    assert {event["identities"][0]["value"][0] for event in sent} == {"a", "c", "d", "e"}
    assert importer.report.accepted == 8


def test_a_long_line_inside_quotes_costs_the_row_it_stands_in(mapping: RowMapping) -> None:
    data = rows_of("a@x.org", '"b\nb\n' + "b" * (LARGEST_EVENT_BYTES + 9) + '\n@x.org"', "c@x.org")
    importer, sent = imported(mapping, data)
    assert {event["identities"][0]["value"][0] for event in sent} == {"a", "c"}
    assert lines_told(importer)[0] == (3, "too_large")


def test_a_large_cell_is_no_fault(mapping: RowMapping) -> None:
    importer, (order, _) = imported(mapping, rows_of("a@x.org").replace(b";X1;", b";" + b"x" * 300_000 + b";"))
    assert (importer.report.accepted, len(order["body"]["coupon"])) == (2, 300_000)


def test_rows_of_empty_cells_are_passed_over(mapping: RowMapping) -> None:
    importer, _ = imported(mapping, rows_of("a@x.org") + b";;;;;;;;;;\n\n")
    assert (importer.report.accepted, importer.report.skipped, importer.report.rejected) == (2, 1, 0)


def test_a_row_of_several_lines_that_is_being_written_is_left_whole(mapping: RowMapping) -> None:
    marks: list[tuple[int, int]] = []
    admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
    importer = Importer(admission, lambda _: None, lambda: RECEIVED_AT + 10**9)
    data = rows_of("a@x.org", '"b\nb\nb"')
    for size in (len(data) - 60, len(data)):
        import_csv(
            io.BytesIO(data[:size]), mapping, importer, lambda *at: marks.append(at), marks[-1] if marks else (0, 0)
        )
    assert (importer.report.accepted, importer.report.rejected) == (4, 0)
    assert marks == [(len(rows_of("a@x.org")), 2), (len(data), 5)]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "must name the columns"),
        (b"no;mail;no;mail;x\n", "names columns twice: 'mail', 'no'"),
        (HEADER.replace(";", ",").encode(), 'set delimiter = ","'),
        (HEADER.replace(";", "\t").encode(), r'set delimiter = "\\t"'),
        (b"PK\x03\x04\x14\0\x06\0\x08\0", "ZIP archive"),
        (HEADER.encode("utf-16"), "the file is UTF-16.*turn it into UTF-8"),
        (HEADER.replace("\n", "\r").encode() * 2, "line ends"),
    ],
)
def test_a_first_line_that_names_no_columns_is_told(mapping: RowMapping, data: bytes, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        imported(mapping, data)


def test_an_encoding_without_lines_of_bytes_is_refused(tmp_path: Path) -> None:
    wide = mapped(tmp_path, 'encoding = "utf-16"\n' + ORDERS)
    with pytest.raises(InputError, match="the file is utf-16"):
        imported(wide, (HEADER + ROW).encode("utf-16"))


@pytest.mark.parametrize(
    ("written", "minor"),
    [("1.234,50", 123450), ("1.234.567", 123456700), ("-12,5", -1250), ("1 234,50", 123450), ("12.50", None),
     ("1.23,50", None), ("1,234.50", None)],
)  # fmt: skip
def test_a_wrong_decimal_mark_makes_no_hundredfold_amount(mapping: RowMapping, written: str, minor: int | None) -> None:
    order, *_ = mapping.translate(columns(total=written))
    if minor is None:
        assert isinstance(order, Problem)
        assert "is no" in order.detail or "no thousands" in order.detail
    else:
        assert isinstance(order, Translation)
        assert order.touchpoint["amount"]["minor"] == minor


@pytest.mark.parametrize(("written", "minor"), [("1,234.50", 123450), ("1234.5", 123450), ("12,50", None)])
def test_without_a_decimal_mark_it_is_a_point(tmp_path: Path, written: str, minor: int | None) -> None:
    plain = mapped(tmp_path, ORDERS.replace(', decimal = ","', ""))
    order = next(plain.translate(columns(total=written)))
    told = order.touchpoint["amount"]["minor"] if isinstance(order, Translation) else None
    assert told == minor


def test_what_stands_in_a_cell_is_no_template(mapping: RowMapping) -> None:
    order, *_ = mapping.translate(columns(no="{mail}"))
    assert isinstance(order, Translation)
    assert order.touchpoint["id"] == "{mail}-placed"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('type = "order.placed"', 'type = "order.bought"', "no such type"),
        ('"body.coupon"', '"body.colour"', "order.placed has no such field"),
        ('"identities.email"', '"identities.mail"', "a kind is one of"),
        ('"refs.order_id"', '"refs.order"', "no such field"),
        ("needs =", "need =", "need: no such option"),
        ('source = "erp"', "", "no source"),
        ('"Europe/Berlin"', '"Europe/Atlantis"', "no time zone"),
        ('unit = "s"', 'unit = "h"', "unit: one of"),
        ('as = "boolean"', 'as = "colour"', "as: one of"),
        ('{ value = "store" }', '{ value = "store", from = "x" }', "exactly one of"),
        ('occurred_at = { from = "arrived", unit = "s" }', "", "occurred_at: nothing gives it"),
        (ORDERS, 'source = "erp"', "no [[touchpoint]]"),
        ("[fields]", "[fields", "not TOML"),
        ('currency = "EUR"', 'currency = "EURO"', "'EURO' is no code of ISO 4217"),
    ],
)
def test_a_slip_in_the_mapping_is_told_at_the_start(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert old in ORDERS
    with pytest.raises(InputError) as told:
        mapped(tmp_path, ORDERS.replace(old, new))
    assert fault in str(told.value)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            'from = "total"',
            'from = "totall"',
            "line 14: touchpoint 1 (order.placed): amount: the file has no column 'totall'",
        ),
        ('"mail"', '"e-mail"', "'e-mail' (did you mean 'mail'?)"),
        ('"{no}-placed"', '"{nr}-placed"', "id: the file has no column 'nr' (it has no, mail, created,"),
        ('currency_from = "money"', 'currency_from = "monet"', "did you mean 'money'?"),
        ('needs = ["created"]', 'needs = ["creatd"]', "needs: the file has no column 'creatd'"),
        ("when = { state", "when = { stat", "when: the file has no column 'stat'"),
        ('["coupon", "voucher"]', '["copon", "vaucher"]', "'copon' or 'vaucher'"),
    ],
)
def test_a_column_that_the_file_has_not_is_told_at_the_start(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert old in ORDERS
    with pytest.raises(InputError) as told:
        imported(mapped(tmp_path, ORDERS.replace(old, new)), (HEADER + ROW).encode())
    assert fault in str(told.value)


def test_of_several_columns_one_is_enough(tmp_path: Path) -> None:
    text = ORDERS.replace('["coupon", "voucher"]', '["code", "voucher"]')
    importer, (placed, _) = imported(mapped(tmp_path, text), (HEADER + ROW).encode())
    assert (importer.report.accepted, placed["body"]) == (2, {"coupon": "X1"})


def test_records_of_topics_are_mapped_by_paths(tmp_path: Path) -> None:
    text = """
        source = "shop"
        [[touchpoint]]
        type = "support.ticket_created"
        when = { "event.name" = "ticket" }
        [touchpoint.fields]
        id = "event.id"
        occurred_at = "event.at"
        "identities.customer_id" = "customer.ids.0"
        "refs.ticket_id" = { from = "no", as = "text" }
    """
    mapping = mapped(tmp_path, text)
    row = {"event": {"name": "ticket", "id": "t-1", "at": "2026-03-01T10:00:00Z"}, "customer": {"ids": [17]}, "no": 5}
    (made,) = mapping.translate(row)
    assert isinstance(made, Translation)
    assert made.touchpoint == {
        "type": "support.ticket_created",
        "source": "shop",
        "id": "t-1",
        "occurred_at": "2026-03-01T10:00:00Z",
        "identities": [{"kind": "customer_id", "value": "17"}],
        "refs": {"ticket_id": "5"},
    }
    assert made.place("/occurred_at") == "event.at"
    assert list(mapping.translate({"event": {"name": "other"}})) == []
    (refused,) = mapping.translate([1])
    assert isinstance(refused, Problem)
    assert refused.reason is Reason.WRONG_TYPE
