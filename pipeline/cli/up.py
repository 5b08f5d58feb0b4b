"""`throughline up`: start an installation, or say what runs and mend it."""

import time
from pathlib import Path

import click
from click.core import ParameterSource

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.files import take_lock
from pipeline.cli.given import without_effect
from pipeline.cli.installation import KAFKA, chosen_broker
from pipeline.cli.invocation import Invocation, examples, shared
from pipeline.cli.lifecycle import await_ready, describe_run, launch_detached, mend
from pipeline.cli.runfile import LOCK_FILE, is_supervised, read_run
from pipeline.cli.stopping import end_leftovers
from pipeline.cli.supervise import require_ports_of, supervise
from pipeline.embedded.kafka.jars import KafkaMissing, find_java, jars_folder, require_jars

LOCK_PATIENCE_S = 2.0


@click.command(
    epilog=examples(
        "throughline up --detach",
        "throughline up --data /srv/shop",
        "make kafka && throughline up --broker kafka --data /srv/shop --detach",
        "throughline up --detach && throughline simulate --wait && throughline status",
    )
)
@click.option(
    "--broker",
    type=click.Choice(["embedded", "kafka"]),
    help="embedded (a new folder's default): no Java, memory only. kafka: Apache Kafka on this machine, durable "
    "(needs `make kafka`). A folder stays with its broker.",
)
@click.option("--detach", is_flag=True, help="Return when everything is ready; it runs on in the background.")
@click.option("--land", default=1, show_default=True, type=click.IntRange(1, 16), help="Number of LAND workers.")
@click.option("--stitch", default=1, show_default=True, type=click.IntRange(1, 16), help="Number of STITCH workers.")
@click.option(
    "--timeout", default=180.0, show_default=True, help="Seconds that everything may take to become ready (--detach)."
)
@shared
def up(invocation: Invocation, *, broker: str | None, detach: bool, land: int, stitch: int, timeout: float) -> None:
    """
    Start everything on this machine and keep it running.

    Broker, warehouse, migrations, workers and the HTTP collector run as processes of their own; one that dies is
    started again. Addresses and keys are written to run.json in the data folder and stay over restarts. Without
    --detach it runs until Ctrl-C. Called again on a running folder it says what runs, and mends what does not;
    settings that are other than those it was started with are told and wait for the next start.
    """
    folder = invocation.data.absolute()
    chosen = chosen_broker(folder, broker)
    settings = invocation.settings()
    asked = {name: number for name, number in (("land", land), ("stitch", stitch)) if _is_given(name)}
    if is_supervised(folder):
        mend(folder, timeout, settings, asked)
        return
    for remark in without_effect(settings, chosen):
        click.echo(f"throughline: {remark}", err=True)
    if chosen == KAFKA:
        _require_kafka(settings.embedded.kafka_folder)
    _make_folder(folder)
    if read_run(folder) is None:
        # Told here at once and not only in a log. What a supervisor that died left may hold ports until it is ended.
        require_ports_of(folder, settings, chosen, land, stitch)
    if detach:
        process = launch_detached(folder, chosen, land, stitch)
        describe_run(folder, await_ready(folder, timeout, process))
        return
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while (lock := take_lock(folder / LOCK_FILE)) is None:
        # Somebody may merely be looking whether the folder is locked.
        if time.monotonic() > deadline:
            mend(folder, timeout, settings, asked)
            return
        time.sleep(0.05)
    with lock:
        if ended := end_leftovers(folder):
            click.echo(f"an earlier supervisor died; ended what it left: {', '.join(ended)}")
        supervise(folder, settings, chosen, land, stitch)


def _is_given(option: str) -> bool:
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def _require_kafka(named_folder: str) -> None:
    try:
        require_jars(jars_folder(named_folder))
        find_java()
    except KafkaMissing as error:
        raise CommandError(
            f"--broker kafka: {error}",
            remedy="run `make kafka` first (needs java 17 or newer and mvn); --broker embedded needs neither",
            exit_code=WRONG_USAGE,
        ) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"the data folder cannot be made: {error.strerror}",
            where=str(folder),
            remedy="name a folder of yours with --data",
            exit_code=WRONG_USAGE,
        ) from error
