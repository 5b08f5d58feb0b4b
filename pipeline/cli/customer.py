"""`throughline customer`: one customer's whole story."""

import click

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json
from pipeline.cli.past import as_of_option
from pipeline.cli.reach import Reach, reach
from pipeline.cli.story import Story, find_customer, read_story
from pipeline.cli.timeline import lay_out
from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KINDS
from pipeline.identity.keys import ident_key, secret_of
from pipeline.identity.normalise import normalise


@click.command(
    epilog=examples(
        "throughline customer email:ada@example.org",
        'throughline customer "phone:+49 30 1234567"',
        "throughline customer order_id:o-1001 --json",
    )
)
@click.argument("identifier", metavar="KIND:VALUE")
@click.option(
    "--all", "is_whole", is_flag=True, help="Tell every touchpoint, also long runs of the same within a visit."
)
@as_of_option
@json_option
@shared
def customer(invocation: Invocation, *, identifier: str, is_whole: bool, as_json: bool) -> None:
    """
    Tell one customer's whole story: journeys, visits, touchpoints, pain points.

    Any identifier of the customer does: customer_id, email, phone, order_id, cookie_id, … Exit 1 if it is unknown.
    """
    kind, value = split_identifier(identifier)
    story = tell(reach(invocation), kind, value)
    if as_json:
        print_json(story.as_json())
        return
    screen = console()
    for line in lay_out(story, is_whole):
        screen.print(line)


def tell(found: Reach, kind: str, value: str) -> Story:
    """
    Read the story of the customer whom an identifier names.

    Raises:
        CommandError: If the value identifies nobody (exit code 2), or nobody has it.
    """
    key = key_of(kind, value, found.settings.identity)
    warehouse = Warehouse(found.analyst_url)
    known = find_customer(warehouse, kind, key.hex())
    if known is None:
        raise CommandError(
            f"nobody is known by {kind}:{value}",
            remedy="`throughline wait` makes sure that everything sent so far is in; docs/identity.md "
            "says how values are compared",
        )
    return read_story(warehouse, known["customer_uid"], bool(known["shared"]))


def split_identifier(identifier: str) -> tuple[str, str]:
    """
    Split KIND:VALUE as it was typed.

    Raises:
        CommandError: If it is not that, or there is no such kind.
    """
    kind, separator, value = identifier.partition(":")
    if not separator or kind not in KINDS:
        raise CommandError(
            f"{identifier!r} is not KIND:VALUE", remedy=f"KIND is one of: {', '.join(KINDS)}", exit_code=WRONG_USAGE
        )
    return kind, value


def key_of(kind: str, value: str, settings: IdentitySettings) -> bytes:
    """
    Return the ident_key of an identifier as it was typed.

    Raises:
        CommandError: If the value identifies nobody, or the key to hash it with is not known.
    """
    if not settings.hash_key.get_secret_value():
        raise CommandError(
            "the key that identifiers are hashed with is not set",
            remedy="set THROUGHLINE_IDENTITY__HASH_KEY as the workers have it",
            exit_code=WRONG_USAGE,
        )
    normal = normalise(kind, value, settings)
    if normal is None:
        raise CommandError(
            f"{value!r} identifies nobody",
            remedy="it is empty or on the blocklist (THROUGHLINE_IDENTITY__BLOCKLIST)",
            exit_code=WRONG_USAGE,
        )
    return ident_key(kind, normal, secret_of(settings))
