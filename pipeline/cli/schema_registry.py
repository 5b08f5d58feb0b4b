"""`throughline schemas register`: today's schemas, told to the schema registry."""

import click

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json, table
from pipeline.contracts.releases import findings
from pipeline.contracts.schemas import schemas_folder, writer_schema
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.types import FAMILIES
from pipeline.registry.client import RegistryClient, RegistryRefused, RegistryUnavailable
from pipeline.registry.framing import subject_of


@click.command(epilog=examples("THROUGHLINE_REGISTRY__URL=http://registry:8081 throughline schemas register"))
@json_option
@shared
def register(invocation: Invocation, *, as_json: bool) -> None:
    """
    Register today's schemas with the schema registry, one subject a topic, and have it demand full compatibility.

    It may be run again at any time. Exit 1 if the registry cannot be asked, or refuses a schema.
    """
    settings = invocation.settings().registry
    if not settings.url.get_secret_value():
        raise CommandError("there is no registry", remedy="set THROUGHLINE_REGISTRY__URL", exit_code=WRONG_USAGE)
    if findings(schemas_folder()):
        raise CommandError("the schemas may not be released", remedy="`throughline schemas check` says why")
    client = RegistryClient(settings)
    registered = []
    for family in FAMILIES:
        subject = subject_of(topic_of_family(family))
        try:
            schema_id = client.register(subject, writer_schema(family).schema)
            client.demand(subject)
        except (RegistryUnavailable, RegistryRefused) as error:
            raise CommandError(f"{subject} is not registered: {error}") from error
        registered.append({"subject": subject, "id": schema_id, "fingerprint": writer_schema(family).fingerprint.hex()})
    if as_json:
        print_json(registered)
        return
    rows = [tuple(row.values()) for row in registered]
    console().print(table(f"Registered at {client.url}", ("subject", "id", "fingerprint"), rows))
