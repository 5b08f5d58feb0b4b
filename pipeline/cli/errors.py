"""Exit codes and the one exception whose text a person reads: what happened, where, and what to do."""

DONE = 0
NOT_SO = 1
WRONG_USAGE = 2
INTERRUPTED = 130


class CommandError(Exception):
    """
    A command cannot do what was asked, in words for the person at the terminal.

    Args:
        what: What is not so, in one sentence.
        where: File, address, line or part concerned; empty where the sentence says it.
        remedy: What to do about it.
        exit_code: `NOT_SO` unless the usage or the settings are wrong.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "", exit_code: int = NOT_SO) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy
        self.exit_code = exit_code

    def lines(self) -> list[str]:
        """Return the message as it is printed."""
        lines = [f"throughline: {self.what}"]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.remedy:
            lines.append(f"  do:    {self.remedy}")
        return lines
