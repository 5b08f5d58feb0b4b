"""
The group of all commands, loaded one by one: `throughline --help` imports none of them.

The table below is the whole list; a test holds each summary to the command's own.
"""

import importlib
from typing import NamedTuple

import click

from pipeline.cli.invocation import Invocation, data_option, debug_option, examples


class Entry(NamedTuple):
    """Where a command lives and what it does in a few words."""

    section: str
    module: str
    attribute: str
    summary: str


RUN, BRING, LOOK, PARTS = "Run an installation", "Bring touchpoints in", "Look at results", "Parts, for production"
CHANGE = "Change how results are made"

COMMANDS: dict[str, Entry] = {
    "demo": Entry(RUN, "demo", "demo", "Show the whole thing in two minutes and leave nothing behind."),
    "up": Entry(RUN, "up", "up", "Start everything on this machine and keep it running."),
    "down": Entry(RUN, "down", "down", "Stop everything that `up` started."),
    "status": Entry(
        RUN, "status", "status", "Show what runs, how far it is, and whether every record is accounted for."
    ),
    "wait": Entry(RUN, "wait", "wait", "Wait until everything sent so far is visible in the results."),
    "import": Entry(BRING, "imports", "import_group", "Bring touchpoints in from files."),
    "simulate": Entry(BRING, "simulate", "simulate", "Make the touchpoints of a believable small shop."),
    "identity": Entry(BRING, "identity", "identity", "Say who is who where you know better than the links."),
    "query": Entry(LOOK, "query", "query", "Ask the warehouse in SQL."),
    "customer": Entry(LOOK, "customer", "customer", "Tell one customer's whole story."),
    "explain": Entry(
        LOOK, "explain", "explain", "Explain why two identifiers are one customer, or what keeps them apart."
    ),
    "painpoints": Entry(LOOK, "painpoints", "painpoints", "Show what hurts: how often, whom, and where."),
    "incidents": Entry(
        LOOK, "incidents", "incidents", "Find what went wrong: where, from when to when, and whom it hit."
    ),
    "map": Entry(LOOK, "journey_map", "journey_map", "Draw what follows what in journeys, and where they end badly."),
    "funnel": Entry(LOOK, "funnel", "funnel", "Count who goes through steps in order, and where the others stop."),
    "paths": Entry(LOOK, "paths", "paths", "List the ways that journeys take, and how they end."),
    "personas": Entry(LOOK, "personas", "personas", "Show the sorts of customers there are, now or at a past time."),
    "clv": Entry(LOOK, "clv", "clv", "Forecast what customers will order and pay: lifetime value to come."),
    "words": Entry(
        LOOK,
        "words",
        "words",
        "Show what customers say: themes, and the words that set low scores apart from high ones.",
    ),
    "as-of": Entry(LOOK, "as_of", "as_of", "Keep everything as it was known at a past time."),
    "rejected": Entry(LOOK, "rejected", "rejected", "Look at records that could not be landed, and why."),
    "restitch": Entry(CHANGE, "restitch", "restitch", "Make results again from the stored facts."),
    "rules": Entry(
        CHANGE,
        "rules",
        "rules",
        "Look at the versions of the rules, start new ones, switch between them, drop old ones.",
    ),
    "worker": Entry(PARTS, "worker", "worker", "Run one worker in the foreground."),
    "collect": Entry(PARTS, "collect", "collect", "Run the HTTP collector in the foreground."),
    "migrate": Entry(PARTS, "migrate", "migrate", "Create or update the tables and views of the warehouse."),
    "topics": Entry(
        PARTS, "topics", "topics", "Show or create the Kafka topics, give them more partitions, or other settings."
    ),
    "schemas": Entry(PARTS, "schemas", "schemas", "Show the Avro schemas of the touchpoints."),
    "settings": Entry(PARTS, "settings", "settings", "Show every setting with its value, default and meaning."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command that is asked for; None when there is none of that name."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"pipeline.cli.{entry.module}")
        command = getattr(module, entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without importing them."""
        del ctx
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl([(name, e.summary) for name, e in COMMANDS.items() if e.section == section])


@click.group(
    cls=LazyGroup,
    epilog=examples("throughline demo", "throughline up --detach", "throughline customer email:ada@example.org"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="throughline", message="throughline %(version)s")
@data_option()
@debug_option()
@click.pass_context
def throughline(context: click.Context) -> None:
    """Join every touchpoint a customer has with a business into one live story per customer."""
    context.ensure_object(Invocation)
