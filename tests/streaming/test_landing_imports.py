"""What a landing worker must never load."""

import subprocess
import sys

MAKES_FACTS = """
from datetime import UTC, datetime
import sys
from pydantic import SecretStr
from pipeline.config import IdentitySettings
from pipeline.streaming.landing import Landing, Origin
from pipeline.warehouse.arrow import arrow_table
from pipeline.warehouse.tables import IDENTITY_LINKS
from tests.streaming.samples import chunk, encoded, event, identity, topic_of
import polars as pl

landing = Landing(None, None, IdentitySettings(hash_key=SecretStr("s" * 32)), Origin("log-1", 4096))
both = [identity("email", "a@example.org"), identity("cookie_id", "c-1")]
facts = landing.prepare([chunk(topic_of("web.page_viewed"), [encoded(event(identities=both))])]).facts
stamp = pl.lit(datetime(2026, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC"))
stamps = {name: stamp for name in ("landed_at", "first_landed_at")}
assert arrow_table(facts.links().with_columns(**stamps), IDENTITY_LINKS).num_rows == 2
print("pandas" in sys.modules)
"""


def test_landing_loads_no_pandas() -> None:
    run = subprocess.run([sys.executable, "-c", MAKES_FACTS], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.strip() == "False", run.stderr
