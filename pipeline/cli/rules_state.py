"""What commands need of rules versions: which live, how the settings differ from them, and telling the supervisor."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.installation import read_installation
from pipeline.cli.rules_file import LiveRules, write_rules_file
from pipeline.config import Settings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.landing_settings import REPLAY, landing_faults, landing_settings_of, read_landing_settings
from pipeline.warehouse.rules import Progress, RulesBook, RulesVersion, State
from pipeline.warehouse.rules_document import (
    Difference,
    Document,
    RulesUnreadable,
    differences,
    document_of,
    settings_of,
)


@dataclass(frozen=True)
class RulesState:
    """
    All versions, and how the settings of this process stand to them.

    Attributes:
        versions: Every version ever recorded.
        active: The version that the views show.
        wanted: The rules that the settings name.
    """

    versions: Sequence[RulesVersion]
    active: RulesVersion
    wanted: Document

    @property
    def changed(self) -> list[Difference]:
        """In what the settings differ from the active version's rules."""
        return differences(self.active.document or self.wanted, self.wanted)

    @property
    def like_settings(self) -> RulesVersion | None:
        """The newest living version that has the rules of the settings."""
        fitting = [one for one in self.live if one.document is not None and not differences(one.document, self.wanted)]
        return fitting[-1] if fitting else None

    @property
    def live(self) -> list[RulesVersion]:
        """The versions that workers keep up to date."""
        return [version for version in self.versions if version.is_live]

    def get(self, number: int) -> RulesVersion:
        """
        Return one version that lives.

        Raises:
            CommandError: If there is none of that number, or it was dropped.
        """
        for version in self.live:
            if version.number == number:
                return version
        known = ", ".join(str(version.number) for version in self.live)
        raise CommandError(f"there is no rules version {number}", remedy=f"there are: {known}", exit_code=WRONG_USAGE)


def read_state(client: Client, settings: Settings) -> RulesState:
    """
    Read all versions.

    Raises:
        CommandError: If the database knows none.
    """
    versions = RulesBook(client).versions()
    active = next((version for version in versions if version.is_active), None)
    if active is None:
        raise CommandError("no rules are recorded in this database", remedy="run `throughline migrate`")
    return RulesState(versions, active, document_of(settings))


def tell_supervisor(folder: Path, settings: Settings, client: Client) -> RulesState:
    """
    Write down for the supervisor which versions live, if the warehouse is that of the data folder.

    Returns:
        The state that was written.
    """
    state = read_state(client, settings)
    kept = read_installation(folder)
    if kept is not None and kept.worker_url() == settings.clickhouse.url.get_secret_value():
        live = tuple(version.number for version in state.live)
        write_rules_file(folder, LiveRules(state.active.number, live, tuple(remarks(state))))
    return state


def remarks(state: RulesState) -> list[str]:
    """Return what the owner should know: results of an earlier release, settings that are not the active version's."""
    made, active = state.like_settings, state.active.number
    of_program = [difference for difference in state.changed if difference.is_program]
    told = "; ".join(map(str, state.changed))
    if of_program:
        mend = (
            "`throughline restitch --activate` makes them anew"
            if made is None
            else f"`throughline rules activate {made.number}` lets the views show those that are made anew"
        )
        return [
            f"results of the active version {active} were made by another release ({told}); views refuse what it did "
            f"not store, and show the rest: {mend}"
        ]
    if not state.changed or made is not None:
        return []
    return [
        f"settings differ from the rules recorded for the active version {active} ({told}); the recorded ones hold: "
        "`throughline restitch` makes the results of the new ones, or set them back"
    ]


def describe_state(progress: Progress) -> str:
    """Return how far a version is, in words."""
    if progress.state is State.MAKING:
        return f"being made, {progress.share:.0%}"
    return f"complete, being made again, {progress.share:.0%}" if progress.state is State.REMAKING else progress.state


def rules_of(version: RulesVersion, settings: Settings) -> Settings:
    """
    Return settings with the rules and the number of a version.

    Raises:
        CommandError: If another version of the program recorded them.
    """
    try:
        chosen = settings_of(version.document or document_of(settings), settings)
    except RulesUnreadable as error:
        raise CommandError(f"the rules of version {version.number} were {error}") from error
    stitching = chosen.stitching.model_copy(update={"rules_version": version.number})
    return chosen.model_copy(update={"stitching": stitching})


def refuse_what_needs_a_replay(client: Client, settings: Settings) -> None:
    """
    Refuse settings that the stored facts cannot be made again with.

    Raises:
        CommandError: Naming them, and what to do instead.
    """
    recorded = read_landing_settings(client)
    if faults := landing_faults(recorded, landing_settings_of(settings.identity)):
        raise CommandError(
            "results cannot be made from the stored facts under these settings\n  " + "\n  ".join(faults),
            remedy=REPLAY,
            exit_code=WRONG_USAGE,
        )


def effective(settings: Settings, rules_version: int | None = None) -> Settings:
    """Return settings that speak of a version: the active one, which the views show, unless another is named."""
    number = rules_version or RulesBook(connect(settings.clickhouse)).active()
    if not number:
        return settings
    return settings.model_copy(update={"stitching": settings.stitching.model_copy(update={"rules_version": number})})
