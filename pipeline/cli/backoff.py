"""How long a part that died waits before it is started again: a pure rule over what happened to it."""

from dataclasses import dataclass

FIRST_DELAY_S = 0.2
GREATEST_DELAY_S = 10.0
# A part that lived this long was well: its next death starts the count anew.
HEALTHY_AFTER_S = 60.0


@dataclass(frozen=True)
class BackOff:
    """Deaths in a row, and what follows from them."""

    deaths: int = 0

    def after_death(self, lived_s: float) -> "BackOff":
        """Return the state after one more death of a part that had lived so long."""
        return BackOff(1 if lived_s >= HEALTHY_AFTER_S else self.deaths + 1)

    def delay_s(self) -> float:
        """Return the pause before the next start: 0.2 s, doubling to 10 s."""
        return float(min(GREATEST_DELAY_S, FIRST_DELAY_S * 2 ** min(max(self.deaths - 1, 0), 20)))
