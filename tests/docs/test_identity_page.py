"""What the page about identity shows is what the commands say: explained, shown dry, merged, and taken back."""

import re
import shlex

from tests.docs.conftest import Shop
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "identity.md"
# Keys depend on the installation's secret, ids of what is sent on chance.
_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8}…")


def plain(text: str) -> list[str]:
    """Return the words, sorted where keys decide the order: whoever has the lower key may come first."""
    return _KEY.sub("KEY", text).split()


def test_the_page_shows_what_the_commands_say(shop: Shop) -> None:
    (touchpoints,) = [block.text for block in blocks(PAGE) if block.language == "jsonl"]
    fed = shop.throughline("import", "events", "-", "--wait", stdin=touchpoints.encode())
    assert fed.code == 0, fed.err
    shown = [block.text for block in blocks(PAGE) if block.text.startswith("$ throughline ")]
    assert len(shown) == 4
    for text in shown:
        line, _, told = text.partition("\n")
        outcome = shop.throughline(*shlex.split(line)[2:])
        assert sorted(plain(outcome.out)) == sorted(plain(told)), line
        assert outcome.code == (1 if "are not one customer" in told else 0), outcome.err
    sent = re.findall(r"identity withdraw (\S+)", outcome.out)
    again = shop.throughline("identity", "merge", "customer_id:bert", "customer_id:anna", "--wait")
    assert (again.code, f"said already, by {sent[0]} of throughline" in again.out) == (0, True)
    stated = shop.analyst.rows(
        "SELECT count() AS n FROM v_touchpoints WHERE type = 'identity.aliased' AND source = 'throughline'"
    )
    assert [int(row["n"]) for row in stated] == [1]
    joined = shop.throughline("explain", "cookie_id:c-anna", "customer_id:bert")
    assert (joined.code, "declared one person by" in joined.out) == (0, True)
    back = shop.throughline("identity", "withdraw", *sent, "--wait")
    assert (back.code, back.err) == (0, "")
    again = shop.throughline("explain", "cookie_id:c-anna", "customer_id:bert")
    assert (again.code, "that was taken back by" in again.out) == (1, True)
    assert shop.throughline("identity", "withdraw", *sent).code == 1
    ledger = (
        "SELECT DISTINCT rule FROM v_identity_ledger WHERE kind = 'customer_id' AND rule IN ('aliased', 'withdrawn')"
    )
    assert len(shop.analyst.rows(ledger)) == 2


def test_the_page_lists_every_rule_of_the_ledger(shop: Shop) -> None:
    from pipeline.identity.causes import MEANINGS

    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE))
    assert rows == {rule.value: meaning for rule, meaning in MEANINGS.items()}
    comment = shop.analyst.rows(
        "SELECT comment FROM system.columns WHERE table = 'v_identity_ledger' AND name = 'rule' "
        "AND database = currentDatabase()"
    )[0]["comment"]
    assert all(rule.value in comment for rule in MEANINGS)
