"""The pause before a restart."""

from pipeline.cli.backoff import BackOff


def test_pauses_double_up_to_ten_seconds_and_begin_anew_after_a_healthy_life() -> None:
    state, pauses = BackOff(), []
    for _ in range(8):
        state = state.after_death(lived_s=1)
        pauses.append(state.delay_s())
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    assert state.after_death(lived_s=3600).delay_s() == 0.2
