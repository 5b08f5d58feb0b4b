"""Small touchpoints for tests of the ways in."""

from datetime import UTC, datetime
from typing import Any

RECEIVED_AT = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)


def page_viewed(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a correct touchpoint; fields replace or add."""
    return {
        "id": f"e-{number}",
        "type": "web.page_viewed",
        "source": "webshop",
        "occurred_at": "2026-03-01T10:04:00Z",
        "identities": [{"kind": "cookie_id", "value": f"cookie-{number}"}],
        **fields,
    }
