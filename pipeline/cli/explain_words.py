"""
An explanation as a person reads it: one line a link, with what stands in its way.

Pure layout: the JSON of the answer in, lines out.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from pipeline.cli.wording import counted, name_type

Json = dict[str, Any]


def lay_out(one: str, other: str, answer: Json) -> Iterator[Text]:
    """Yield the lines of an answer of `throughline explain`."""
    yield _verdict(one, other, answer)
    told: list[Json] = []
    for step in answer["chain"]:
        yield from _step(step, told)
    for obstacle in answer["apart"]:
        yield Text.assemble(("  ✗ ", "red"), _obstacle(obstacle))


def _verdict(one: str, other: str, answer: Json) -> Text:
    pair = f"{one} and {other}"
    if answer["dropped"]:
        names = " and ".join(answer["dropped"])
        return Text(
            f"{names}: on the blocklist or empty; such a value identifies nobody and is dropped", style="yellow"
        )
    if answer["unknown"]:
        return Text(f"nobody is known by {' nor by '.join(answer['unknown'])}", style="yellow")
    if answer["same"]:
        customer = answer["identifiers"][0]["customer_uid"]
        if not answer["chain"]:
            return Text.assemble((pair, "bold"), " are the same identifier, of customer ", (customer, "cyan"))
        links = counted(len(answer["chain"]), "link")
        return Text.assemble((pair, "bold"), (" are one customer", "bold green"), f", {customer}, by {links}:")
    if answer["chain"]:
        return Text.assemble((pair, "bold"), (" are not one customer", "bold red"), ". The best way between them:")
    searched = "" if answer["is_whole"] else f" among {answer['looked_at']:,} identifiers around them"
    return Text.assemble((pair, "bold"), (" are not one customer", "bold red"), f": nothing connects them{searched}")


def _step(step: Json, told: list[Json]) -> Iterator[Text]:
    mark = ("  ✓ ", "green") if step["joins"] else ("  ✗ ", "red")
    said = " and ".join((name(step["from"]), name(step["to"])))
    verb = "declared one person by" if step["rule"] == "aliased" else "seen together on"
    yield Text.assemble(mark, said, (f"  {verb} ", "dim"), _touchpoint(step["touchpoint"]))
    for obstacle in step["obstacles"]:
        why = Text("for the same reason not") if obstacle in told else _obstacle(obstacle)
        yield Text.assemble(("      but ", "red"), why)
        told.append(obstacle)


def _obstacle(obstacle: Json) -> Text:
    match obstacle["rule"]:
        case "shared" | "too_many":
            linked = obstacle["linked_to"]
            many = f"{name(obstacle['identifier'])} is linked to {counted(linked['number'], linked['kind'])}"
            effect = "it is shared and joins nobody" if obstacle["rule"] == "shared" else "those links join nobody"
            said = f"{many}, more than {obstacle['cap']}: {effect}; one too many was "
            return Text.assemble(said, _touchpoint(obstacle["touchpoint"]))
        case "two_accounts":
            return Text(f"both have an account: {' and '.join(map(name, obstacle['accounts']))}")
        case "unlinked":
            pair = " and ".join(map(name, obstacle["between"]))
            return Text.assemble(f"{pair} were declared not one customer by ", _touchpoint(obstacle["touchpoint"]))
        case "withdrawn":
            return Text.assemble("that was taken back by ", _touchpoint(obstacle["touchpoint"]))
        case "blocklisted":
            return Text(f"the value of {name(obstacle['identifier'])} is on the blocklist: it identifies nobody")
        case _:
            return Text("no fact at hand says why")


def name(identifier: Json) -> str:
    """Return an identifier as it was typed, else its kind and the beginning of its key."""
    typed = identifier.get("as")
    return str(typed) if typed else f"{identifier['kind']} {identifier['ident_key'][:8]}…"


def _touchpoint(touchpoint: Json | None) -> Text:
    if touchpoint is None:
        return Text("a touchpoint that another content replaced", style="dim")
    moment = datetime.fromisoformat(touchpoint["occurred_at"]).astimezone(UTC)
    said = (
        f"{name_type(touchpoint['type'])} {touchpoint['event_id']} ({touchpoint['source']}, {moment:%-d %b %Y %H:%M})"
    )
    return Text(said, style="cyan")
