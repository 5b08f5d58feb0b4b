"""
The Olist marketplace's CSV files as touchpoints: orders, payments, shipments, deliveries and surveys.

The one rule: every row of the files becomes touchpoints with ids made from the row's own keys, so that importing twice
changes nothing. Only the order knows its customer; payments, carrier and reviews know the order alone, and stitching
joins them. Times of the files are taken as UTC. The files never say when an order was cancelled: its last known
moment stands in. What products are and where sellers live is left out.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pipeline.producers.errors import InputError

SOURCE = "olist"
CURRENCY = "BRL"
CHANNEL = "marketplace"

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer_id", "customer_unique_id", "customer_city", "customer_state"),
    "orders": (
        "order_id",
        "customer_id",
        "order_status",
        "order_purchase_timestamp",
        "order_approved_at",
        "order_delivered_carrier_date",
        "order_delivered_customer_date",
        "order_estimated_delivery_date",
    ),
    "order_items": ("order_id", "order_item_id", "product_id", "seller_id", "price", "freight_value"),
    "order_payments": (
        "order_id",
        "payment_sequential",
        "payment_type",
        "payment_installments",
        "payment_value",
    ),
    "order_reviews": (
        "review_id",
        "order_id",
        "review_score",
        "review_comment_title",
        "review_comment_message",
        "review_creation_date",
        "review_answer_timestamp",
    ),
}

# Statuses of orders that will not arrive; the files do not tell who ended them.
_CANCELLED = frozenset({"canceled", "unavailable"})

Touchpoint = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of one file; cells are read through it, so that a bad one is named with its place."""

    file: Path
    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return the cell, trimmed; empty when it holds nothing."""
        return self.cells[column].strip()

    def key(self, column: str) -> str:
        """Return a cell that must not be empty."""
        return self.text(column) or self._refuse(column, "a value")

    def time(self, column: str) -> str | None:
        """Return the moment of the cell as RFC 3339 in UTC, or None where it is empty."""
        text = self.text(column)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return self._refuse(column, "a time like 2018-05-16 20:57:03")
        return moment.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")

    def moment(self, column: str) -> str:
        """Return the moment of a cell that must not be empty."""
        return self.time(column) or self._refuse(column, "a time like 2018-05-16 20:57:03")

    def minor(self, column: str) -> int:
        """Return an amount in reais as centavos, exactly."""
        try:
            return int((Decimal(self.text(column)) * 100).to_integral_value(ROUND_HALF_UP))
        except (InvalidOperation, ValueError, OverflowError):
            return int(self._refuse(column, "an amount like 27.65"))

    def number(self, column: str) -> int:
        """Return a whole number."""
        try:
            return int(self.text(column))
        except ValueError:
            return int(self._refuse(column, "a whole number"))

    def _refuse(self, column: str, expected: str) -> str:
        shown = self.cells[column][:60]
        raise InputError(
            f"{self.file}, line {self.line}: column {column} holds {shown!r}, expected {expected}; "
            "mend the line or take the file as published"
        )


@dataclass(slots=True)
class _Order:
    """What the rows of other files need to know of an order."""

    purchased_at: str
    approved_at: str | None
    amount_minor: int | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)


class OlistFolder:
    """
    The folder with the published files; checked when made, read when asked for touchpoints.

    Attributes:
        orphans: Rows met so far that name an order which the orders file lacks; they are left out.

    Raises:
        InputError: If the folder, a file or a column is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.orphans = 0
        self._folder = folder
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; name the folder that holds the Olist CSV files")
        for table in _COLUMNS:
            next(self._rows(table), None)

    def count_rows(self) -> int:
        """Return how many touchpoints there will be at least: a measure for progress, not a promise."""
        return sum(1 for table in ("orders", "order_payments", "order_reviews") for _ in self._rows(table))

    def touchpoints(self) -> Iterator[Touchpoint]:
        """
        Make the touchpoints: all of the orders, then payments, then surveys.

        Raises:
            InputError: If a cell cannot be read; the message names file, line and column.
        """
        self.orphans = 0
        customers = {row.key("customer_id"): row for row in self._rows("customers")}
        sums = self._amounts()
        orders: dict[str, _Order] = {}
        for row in self._rows("orders"):
            order_id = row.key("order_id")
            paid, items, lines = sums.get(order_id, (None, None, []))
            amount = items if paid is None else paid
            order = _Order(row.moment("order_purchase_timestamp"), row.time("order_approved_at"), amount, lines)
            orders[order_id] = order
            yield from _order_touchpoints(row, order, customers.get(row.key("customer_id")))
        for row in self._rows("order_payments"):
            if (known := orders.get(row.key("order_id"))) is None:
                self.orphans += 1
            else:
                yield _payment(row, known)
        for row in self._rows("order_reviews"):
            yield from _survey(row)

    def _amounts(self) -> dict[str, tuple[int | None, int | None, list[dict[str, Any]]]]:
        """Return by order: sum of its payments, sum of its items with freight, its lines."""
        found: dict[str, tuple[int | None, int | None, list[dict[str, Any]]]] = {}
        for row in self._rows("order_payments"):
            paid, _, _ = found.get(row.key("order_id"), (None, None, []))
            found[row.key("order_id")] = ((paid or 0) + row.minor("payment_value"), None, [])
        for row in self._rows("order_items"):
            paid, items, lines = found.get(row.key("order_id"), (None, None, []))
            lines.append(_line(row))
            cost = row.minor("price") + row.minor("freight_value")
            found[row.key("order_id")] = (paid, (items or 0) + cost, lines)
        return found

    def _rows(self, table: str) -> Iterator[Row]:
        file = self._folder / f"olist_{table}_dataset.csv"
        try:
            with file.open(encoding="utf-8-sig", newline="") as text:
                reader = csv.DictReader(text, strict=True, restval="")
                missing = [column for column in _COLUMNS[table] if column not in (reader.fieldnames or ())]
                if missing:
                    raise InputError(
                        f"{file}: column {', '.join(missing)} is missing; take the file as published by Olist"
                    )
                for cells in reader:
                    yield Row(file, reader.line_num, cells)
        except FileNotFoundError as error:
            raise InputError(f"{file}: no such file; the folder must hold all of {_file_names()}") from error
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror}); check its rights") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{file}: not a UTF-8 CSV file ({error}); take the file as published") from error


def _file_names() -> str:
    return ", ".join(f"olist_{table}_dataset.csv" for table in _COLUMNS)


def _line(row: Row) -> dict[str, Any]:
    return {
        "product_id": row.key("product_id"),
        "seller_id": row.text("seller_id"),
        "quantity": 1,
        "price_minor": row.minor("price"),
        "shipping_minor": row.minor("freight_value"),
    }


def _touchpoint(event_id: str, kind: str, occurred_at: str, order_id: str) -> Touchpoint:
    return {
        "id": event_id,
        "type": kind,
        "source": SOURCE,
        "occurred_at": occurred_at,
        "identities": [],
        "refs": {"order_id": order_id},
        "body": {},
    }


def _order_touchpoints(row: Row, order: _Order, customer: Row | None) -> Iterator[Touchpoint]:
    order_id = row.key("order_id")
    yield _placed(row, order, customer)
    shipped_at, delivered_at = row.time("order_delivered_carrier_date"), row.time("order_delivered_customer_date")
    promised = row.time("order_estimated_delivery_date")
    if shipped_at:
        shipped = _touchpoint(f"{order_id}:shipped", "delivery.shipped", shipped_at, order_id)
        shipped["body"] = {"promised_until": promised} if promised else {}
        yield shipped
    if delivered_at:
        delivered = _touchpoint(f"{order_id}:delivered", "delivery.delivered", delivered_at, order_id)
        delivered["body"] = {"delivered_at": delivered_at}
        yield delivered
    if (reason := row.text("order_status")) in _CANCELLED:
        moments = (order.purchased_at, order.approved_at, shipped_at, delivered_at)
        last_known = max(moment for moment in moments if moment)
        cancelled = _touchpoint(f"{order_id}:cancelled", "order.cancelled", last_known, order_id)
        cancelled |= {"channel": CHANNEL, "body": {"reason": reason}}
        yield cancelled


def _placed(row: Row, order: _Order, customer: Row | None) -> Touchpoint:
    order_id = row.key("order_id")
    placed = _touchpoint(f"{order_id}:placed", "order.placed", order.purchased_at, order_id)
    placed["channel"] = CHANNEL
    person = customer.key("customer_unique_id") if customer else row.key("customer_id")
    placed["identities"] = [{"kind": "customer_id", "value": person}]
    placed["refs"]["product_ids"] = list(dict.fromkeys(line["product_id"] for line in order.lines))
    if promised := row.time("order_estimated_delivery_date"):
        placed["body"]["promised_delivery_at"] = promised
    if order.lines:
        placed["body"]["lines"] = order.lines
    if order.amount_minor is not None:
        placed["amount"] = {"minor": order.amount_minor, "currency": CURRENCY}
    attributes = {"order_status": row.text("order_status")}
    if customer:
        attributes |= {"city": customer.text("customer_city"), "state": customer.text("customer_state")}
    placed["attributes"] = [{"key": key, "value": value} for key, value in attributes.items() if value]
    return placed


def _payment(row: Row, order: _Order) -> Touchpoint:
    order_id = row.key("order_id")
    event_id = f"{order_id}:payment:{row.number('payment_sequential')}"
    made = _touchpoint(event_id, "payment.made", order.approved_at or order.purchased_at, order_id)
    made["channel"] = CHANNEL
    made["body"] = {"method": row.key("payment_type"), "instalments": row.number("payment_installments")}
    made["amount"] = {"minor": row.minor("payment_value"), "currency": CURRENCY}
    return made


def _survey(row: Row) -> Iterator[Touchpoint]:
    review_id, order_id = row.key("review_id"), row.key("order_id")
    # Some review ids stand for two orders, so the order belongs to the event's id.
    sent = _touchpoint(f"{review_id}:{order_id}:sent", "survey.sent", row.moment("review_creation_date"), order_id)
    sent["body"] = {"instrument": "star"}
    sent["refs"]["survey_id"] = review_id
    yield sent
    at = row.moment("review_answer_timestamp")
    answered = _touchpoint(f"{review_id}:{order_id}:answered", "survey.answered", at, order_id)
    answered["refs"]["survey_id"] = review_id
    answered["body"] = {
        "instrument": "star",
        "score": row.number("review_score"),
        "scale_min": 1,
        "scale_max": 5,
    }
    texts = (row.text("review_comment_title"), row.text("review_comment_message"))
    if comment := "\n".join(text for text in texts if text):
        answered["body"]["comment"] = comment
    yield answered
