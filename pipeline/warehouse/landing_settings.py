"""
The settings that landed identifiers depend on, recorded so that a change of them is noticed before it does harm.

One rule: facts hold hashes of normalised values, so another hash key, another phone region or a shorter blocklist would
give the same people other identifiers from now on. That is refused as long as facts of the old settings are there; a
longer blocklist is fine, for the rules of stitching can tell its values in facts that landed before.
"""

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from pipeline.config import IdentitySettings
from pipeline.identity.blocklist import blocklisted, key_fingerprint
from pipeline.warehouse.errors import translated

_RECORDED = """
    SELECT hash_key, phone_region, blocklist FROM landing_settings
    WHERE recorded_at >= (SELECT max(recorded_at) FROM landing_settings WHERE begins) ORDER BY recorded_at
"""
_RECORD = """
    INSERT INTO landing_settings (hash_key, phone_region, blocklist, begins, recorded_at)
    SELECT {key:String}, {region:String}, {blocklist:Array(String)}, {begins:Bool},
           greatest(now64(6, 'UTC'), (SELECT addMicroseconds(max(recorded_at), 1) FROM landing_settings))
"""


@dataclass(frozen=True)
class LandingSettings:
    """
    What identifiers were landed with.

    Attributes:
        hash_key: Fingerprint of the key.
        phone_region: Region of national phone numbers.
        blocklist: Every value that was dropped at any time, as it is compared.
    """

    hash_key: str
    phone_region: str
    blocklist: frozenset[str]


def landing_settings_of(settings: IdentitySettings) -> LandingSettings:
    """Return what identifiers are landed with under these settings."""
    return LandingSettings(key_fingerprint(settings), settings.phone_region, frozenset(blocklisted(settings)))


def read_landing_settings(client: Client) -> LandingSettings | None:
    """Return what the facts were landed with; None where nobody recorded it."""
    with translated():
        rows = client.query(_RECORDED).result_rows
    if not rows:
        return None
    key, region, _ = rows[-1]
    return LandingSettings(str(key), str(region), frozenset(value for row in rows for value in row[2]))


def landing_faults(recorded: LandingSettings | None, wanted: LandingSettings) -> list[str]:
    """Return why facts cannot be landed with other settings than those there are (pure); empty: they can."""
    if recorded is None:
        return []
    faults = []
    if wanted.hash_key != recorded.hash_key:
        faults.append(
            "identity.hash_key is not the key that the identifiers here were hashed with: every customer would be "
            "split in two"
        )
    if wanted.phone_region != recorded.phone_region:
        faults.append(
            f"identity.phone_region is {wanted.phone_region or 'none'!r} and was {recorded.phone_region or 'none'!r} "
            "when phone numbers landed here: national numbers would become other identifiers"
        )
    if missing := sorted(recorded.blocklist - wanted.blocklist):
        values = ", ".join(map(repr, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        faults.append(f"identity.blocklist lacks {values}: the facts here landed without these values")
    return faults


def enter_landing(client: Client, settings: IdentitySettings) -> list[str]:
    """
    Record the settings of a landing worker, unless they do not fit the facts that are there.

    Returns:
        Why it must not land anything; empty: it may, and its settings are recorded.

    Raises:
        WarehouseUnavailable: If the warehouse does not answer; try again.
    """
    wanted = landing_settings_of(settings)
    with translated():
        is_empty = not int(client.query("SELECT count() FROM touchpoints").result_rows[0][0])
    recorded = read_landing_settings(client)
    if not is_empty and (faults := landing_faults(recorded, wanted)):
        return faults
    if recorded is None or is_empty or wanted.blocklist - recorded.blocklist:
        values = {
            "key": wanted.hash_key,
            "region": wanted.phone_region,
            "blocklist": sorted(wanted.blocklist),
            "begins": is_empty or recorded is None,
        }
        if recorded != wanted:
            with translated():
                client.command(_RECORD, parameters=values)
        # Of two that begin with different settings at once, the one recorded last holds.
        return landing_faults(read_landing_settings(client), wanted)
    return []


REPLAY = (
    "the stored facts hold no raw values, so this needs the touchpoints again: begin a new data folder (or database) "
    "with these settings and send them there, from the source or from Kafka with a consumer group of a new name"
)
"""What to do where settings of landed facts are to change."""
