"""`throughline explain`: why two identifiers are one customer, or what keeps them apart."""

from typing import Any

import click

from pipeline.cli.customer import key_of, split_identifier
from pipeline.cli.errors import NOT_SO
from pipeline.cli.explain_facts import find_facts, open_active
from pipeline.cli.explain_words import lay_out
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json
from pipeline.cli.reach import reach
from pipeline.identity.normalise import normalise


@click.command(
    epilog=examples(
        "throughline explain email:ada@example.org cookie_id:c-17",
        'throughline explain "phone:+49 30 1234567" customer_id:4711 --json',
    )
)
@click.argument("one", metavar="KIND:VALUE")
@click.argument("other", metavar="KIND:VALUE")
@json_option
@shared
def explain(invocation: Invocation, *, one: str, other: str, as_json: bool) -> None:
    """
    Explain why two identifiers are one customer, or what keeps them apart.

    Tells the shortest chain of touchpoints and statements that joins them; or the chain that would, with what stands
    in its way: a shared identifier and its cap, two accounts, an unlink, a withdrawal, the blocklist. Exit 0 if they
    are the same customer, 1 if not, or if one of them is unknown.
    """
    named = [(text, *split_identifier(text)) for text in (one, other)]
    found = reach(invocation)
    dropped = [text for text, kind, value in named if normalise(kind, value, found.settings.identity) is None]
    if dropped:
        answer: dict[str, Any] = {
            "same": False,
            "identifiers": [],
            "dropped": dropped,
            "unknown": [],
            "chain": [],
            "apart": [],
        }
    else:
        keys = {text: key_of(kind, value, found.settings.identity) for text, kind, value in named}
        facts = find_facts(keys[one], keys[other], *open_active(found.settings))
        answer = facts.as_json({key: text for text, key in keys.items()})
    if as_json:
        print_json(answer)
    else:
        screen = console()
        for line in lay_out(one, other, answer):
            screen.print(line)
    if not answer["same"]:
        raise click.exceptions.Exit(NOT_SO)
