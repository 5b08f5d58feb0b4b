"""Feeding touchpoints into Kafka from a command: the bar, the account of what happened, and the words for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import click

from pipeline.cli.errors import NOT_SO, WRONG_USAGE, CommandError
from pipeline.cli.output import count, print_json, progress_bar
from pipeline.cli.reach import Reach
from pipeline.cli.runfile import read_run
from pipeline.config import Settings
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.producers.admission import Admission
from pipeline.producers.errors import InputError, ProducerError
from pipeline.producers.feeder import BULK_LINGER, LIVE_LINGER, Feeder
from pipeline.producers.importing import Importer, ImportReport
from pipeline.registry.client import RegistryRefused, RegistryUnavailable
from pipeline.registry.framing import framing_of

MOST_FAULTS_TOLD = 20


class Feeding(NamedTuple):
    """An open way in: who takes touchpoints, how to wait until Kafka has all of them, and the bar."""

    importer: Importer
    flush: Callable[[], object]
    advance: Callable[[ImportReport], None]


@contextmanager
def feeding(
    found: Reach,
    what: str,
    total: int | None,
    unit: str,
    position: Callable[[ImportReport], int],
    *,
    is_live: bool = False,
) -> Iterator[Feeding]:
    """
    Open a feeder with a progress bar; leaving it without a fault means that Kafka has everything.

    Args:
        found: Where to feed.
        what: What is being fed, for the bar.
        total: Length of the bar; None where nobody knows.
        unit: What the bar counts.
        position: How far the bar is, given the report so far.
        is_live: Whether touchpoints come as they happen, and somebody may be waiting for each.
    """
    with translated(), progress_bar(unit) as bar:
        task = bar.add_task(what, total=total)

        def advance(report: ImportReport) -> None:
            bar.update(task, completed=position(report), description=what)

        def tell_wait(waited_s: float) -> None:
            bar.update(task, description=f"{what} (waiting for the workers, {waited_s:.0f} s)")

        linger = LIVE_LINGER if is_live else BULK_LINGER
        with Feeder(found.settings.kafka, on_wait=tell_wait, linger=linger) as feeder:
            yield Feeding(open_importer(found.settings, feeder.send, advance), feeder.flush, advance)
        bar.update(task, completed=total)


def open_importer(
    settings: Settings,
    send: Callable[[EncodedTouchpoint], None],
    progress: Callable[[ImportReport], None] | None = None,
) -> Importer:
    """Return an importer that judges as the collector does and believes the receipt that a touchpoint brings."""
    return Importer(file_admission(settings), send, lambda: time.time_ns() // 1_000_000, progress)


def file_admission(settings: Settings) -> Admission:
    """Return the judge of touchpoints that bring their own receipt."""
    frame = framing_of(settings.registry)
    return Admission(settings.identity, settings.kafka.max_record_bytes, keeps_receipt=True, frame=frame)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what goes wrong on the way in into a message with an exit code."""
    try:
        yield
    except ProducerError as error:
        what, _, remedy = str(error).partition("; ")
        code = WRONG_USAGE if isinstance(error, InputError) else NOT_SO
        raise CommandError(what, remedy=remedy, exit_code=code) from error
    except (RegistryUnavailable, RegistryRefused) as error:
        what, _, remedy = str(error).partition("; ")
        raise CommandError(f"the schema registry does not help: {what}", remedy=remedy) from error


def finish(found: Reach, report: ImportReport, *, must_wait: bool, as_json: bool) -> None:
    """
    Tell what happened, wait if asked to, and end with exit code 1 if anything was rejected.

    Raises:
        CommandError: If something was rejected, did not become visible in time, or went down with the broker.
    """
    if as_json:
        print_json(
            {
                "accepted": report.accepted,
                "duplicate": report.duplicate,
                "rejected": report.rejected,
                "skipped": report.skipped,
                "left_bytes": report.left_bytes,
                "reasons": report.by_reason,
                "faults": [
                    {
                        "line": fault.line,
                        "id": fault.event_id,
                        "reason": fault.problem.reason,
                        "pointer": fault.problem.pointer,
                        "detail": fault.problem.detail,
                    }
                    for fault in report.faults
                ],
            }
        )
    else:
        _tell(report)
    if must_wait:
        _await_visible(found)
    _refuse_lost_log(found)
    if report.rejected:
        raise click.exceptions.Exit(NOT_SO)


def _await_visible(found: Reach) -> None:
    from pipeline.cli.wait import DEFAULT_TIMEOUT_S, await_visible  # noqa: PLC0415 - 30 MB that feeding needs not

    if behind := await_visible(found, DEFAULT_TIMEOUT_S):
        raise CommandError("not everything is visible yet", where="; ".join(map(str, behind)))


def _tell(report: ImportReport) -> None:
    skipped = f", skipped {count(report.skipped)}" if report.skipped else ""
    click.echo(
        f"accepted {count(report.accepted)}, duplicate {count(report.duplicate)}, "
        f"rejected {count(report.rejected)}{skipped}"
    )
    if report.left_bytes:
        click.echo(
            f"the last line is not finished: its {count(report.left_bytes)} bytes are left for the next run with this"
            " checkpoint; end the file with a newline if nothing is to come",
            err=True,
        )
    for fault in report.faults[:MOST_FAULTS_TOLD]:
        place = f" at {fault.problem.pointer}" if fault.problem.pointer else ""
        name = f" ({fault.event_id})" if fault.event_id else ""
        click.echo(f"  line {fault.line}{name}: {fault.problem.reason}{place}: {fault.problem.detail}", err=True)
    if len(report.faults) > MOST_FAULTS_TOLD:
        reasons = ", ".join(f"{reason} {count(number)}" for reason, number in sorted(report.by_reason.items()))
        click.echo(f"  … and more; rejected by reason: {reasons}; --json lists up to 1,000", err=True)


def _refuse_lost_log(found: Reach) -> None:
    """Raise if the broker began a new log since the command found it: its memory ended with what nobody had landed."""
    if found.run is None or found.folder is None:
        return
    run = read_run(found.folder)
    if run is None or run.log_id != found.run.log_id:
        raise CommandError(
            "the broker ended while this was sent, and its log with it: what nobody had landed by then is lost",
            where=str(found.folder),
            remedy="import it again; what is there already counts once",
        )
