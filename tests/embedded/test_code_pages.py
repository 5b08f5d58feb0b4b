"""Pages of the engine's library that only its start needed."""

import subprocess
import sys
from pathlib import Path

from pipeline.embedded.warehouse.code_pages import unchanged_ranges

SMAPS = """\
1000-3000 r-xp 00000000 fe:00 1      /venv/chdb/_chdb.abi3.so
Rss:                   8 kB
Private_Clean:         8 kB
Private_Dirty:         0 kB
Shared_Dirty:          0 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
3000-4000 r--p 00002000 fe:00 1      /venv/chdb/_chdb.abi3.so
Rss:                   4 kB
Private_Dirty:         4 kB
Shared_Dirty:          0 kB
Anonymous:             4 kB
VmFlags: rd mr mw me
4000-5000 rw-p 00003000 fe:00 1      /venv/chdb/_chdb.abi3.so
Rss:                   4 kB
Private_Dirty:         0 kB
Shared_Dirty:          0 kB
Anonymous:             0 kB
VmFlags: rd wr mr mw me
5000-6000 rw-p 00000000 00:00 0
Rss:                   4 kB
Private_Dirty:         4 kB
Shared_Dirty:          0 kB
Anonymous:             4 kB
VmFlags: rd wr mr mw me
6000-7000 r-xp 00000000 fe:00 2      /usr/lib/libssl.so.3
Rss:                   4 kB
Private_Dirty:         0 kB
Shared_Dirty:          0 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
"""

IN_A_PROCESS = """
import sys
from pathlib import Path
from pipeline.config import EmbeddedSettings
from pipeline.embedded.warehouse.code_pages import let_go_of_code_pages
from pipeline.embedded.warehouse.engine import Engine

engine = Engine(Path(sys.argv[1]), EmbeddedSettings())
gone = let_go_of_code_pages()
connection = engine.connect()
answer = connection.query("SELECT sum(number), uniq(toString(number)) FROM numbers(1000)", "TSV", params={})
print(gone, let_go_of_code_pages(), answer.bytes().decode().split(), sep=";")
connection.close()
engine.close()
"""


def test_only_mappings_of_the_library_that_nothing_changed_are_taken_out() -> None:
    assert list(unchanged_ranges(SMAPS)) == [(0x1000, 0x3000, 8192)]


def test_the_engine_works_on_with_much_less_of_its_code(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    started, answered, answer = run.stdout.strip().split(";")
    assert int(started) > 100 << 20
    assert int(answered) < int(started) / 2
    assert answer == "['499500', '1000']"
