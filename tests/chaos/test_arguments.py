"""What a run of chaos is asked for is refused before it starts anything."""

import pytest

from tests.chaos.__main__ import main
from tests.chaos.schedule import ALL, unfit_for, wrong_in


@pytest.mark.parametrize(
    ("option", "given", "told"),
    [
        ("--seeds", "0", "1 or more"),
        ("--rate", "0", "above 0"),
        ("--rate", "nan", "above 0"),
        ("--land", "-1", "0 or more"),
        ("--stitch", "-1", "0 or more"),
        ("--rest", "-3", "0 or more"),
        ("--limits", "first_row=3", "first_row_s=8"),
        ("--limits", "first_row_s=soon", "is no limit"),
        ("--faults", "nonsense", "the faults are: "),
        ("--faults", "kill land:soon", "no number of seconds"),
        ("--faults", ",", "no fault is named"),
        ("--faults", "kill land-3", "seed 1 has no land-3; there are land-1, stitch-1, broker"),
        ("--faults", "hole broker>peers", "seed 1 has no broker-2"),
        ("--faults", "kill land,hole stitch-2>broker:9", "seed 1 has no stitch-2"),
        ("--faults", "roll brokers", "seed 1: 'roll brokers' restarts several brokers in turn, and there is one"),
        ("--faults", "kill land,roll brokers:30", "give --brokers 3"),
        ("--keep", "/proc/nowhere", "nothing can be left in '/proc/nowhere'"),
        ("--keep", "/dev/null", "name a folder that may be written"),
    ],
)
def test_what_makes_no_run_is_refused(capsys: pytest.CaptureFixture[str], option: str, given: str, told: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, given])
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: " in said
    assert told in said


def test_several_brokers_may_be_rolled() -> None:
    assert unfit_for("roll brokers:30", 3) == ""
    assert unfit_for("kill broker", 1) == ""


def test_all_faults_may_be_named_and_one_worker_or_broker_of_several() -> None:
    named = [
        *ALL,
        "kill land-2",
        "hole stitch-2>broker:60",
        "kill broker-3",
        "freeze warehouse:1.5",
        "half-open peers>broker-2:20",
    ]
    assert not any(map(wrong_in, named))
