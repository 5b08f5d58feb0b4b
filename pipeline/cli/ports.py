"""
The ports of an installation, looked at before anything starts: a taken one is told at once, with whoever has it.

One rule: addresses stay as they were told. A port that somebody else took is never exchanged for another in silence.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.installation import HOST, INSTALLATION_FILE, is_free, read_installation

# An earlier process of ours, killed a moment ago, may not be quite gone.
PORT_PATIENCE_S = 5.0
_PORT_POLL_S = 0.1
_GREATEST_PORT = 65535
# In the command lines of our parts.
_OUR_WORDS = ("pipeline.", "kafka.Kafka")


def require_ports(folder: Path, parts: Iterable[str], fixed: Mapping[str, int]) -> None:
    """
    See that an installation can have its ports: those that the settings fix and those that the folder keeps.

    Args:
        folder: The data folder; nothing of it runs.
        parts: Names of what is to have a port.
        fixed: Ports that the settings name.

    Raises:
        CommandError: If one is taken, or two parts would have the same; another port is for the owner to choose.
    """
    kept = read_installation(folder)
    known = {part: kept.ports[part] for part in parts if part in kept.ports} if kept else {}
    ports = {**known, **fixed}
    _require_different(ports)
    deadline = time.monotonic() + PORT_PATIENCE_S
    while taken := {part: port for part, port in ports.items() if not is_free(port)}:
        listeners = {port: listener_at(port) for port in taken.values()}
        if time.monotonic() > deadline or any(one and not _may_be_ours(one) for one in listeners.values()):
            raise _taken(folder, taken, fixed, listeners)
        time.sleep(_PORT_POLL_S)


def listener_at(port: int) -> psutil.Process | None:
    """Return who listens on a port; None where that is nobody, or not for us to know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return None
    for one in connections:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr[1] == port and one.pid:
            try:
                return psutil.Process(one.pid)
            except psutil.Error:
                return None
    return None


def _may_be_ours(process: psutil.Process) -> bool:
    """Return whether it looks like a part of an installation, which may be ending at this moment."""
    try:
        return any(word.startswith(_OUR_WORDS) for word in process.cmdline())
    except psutil.Error:
        return True


def _name_of(process: psutil.Process) -> str:
    try:
        return f"; {process.name()}, pid {process.pid}"
    except psutil.Error:
        return f"; pid {process.pid}"


def _require_different(ports: Mapping[str, int]) -> None:
    beyond = [part for part, port in ports.items() if port > _GREATEST_PORT]
    twice = {port for port, times in Counter(ports.values()).items() if times > 1}
    if not beyond and not twice:
        return
    told = [f"{port} ({' and '.join(part for part in ports if ports[part] == port)})" for port in sorted(twice)]
    told += [f"{ports[part]} ({part}) is no port" for part in beyond]
    raise CommandError(
        "the ports that the settings name do not fit together: metrics count up from the first worker's",
        where="; ".join(told),
        remedy="choose others with THROUGHLINE_COLLECTOR__PORT and THROUGHLINE_OBSERVABILITY__PORT, or leave them out",
        exit_code=WRONG_USAGE,
    )


def _taken(
    folder: Path, taken: Mapping[str, int], fixed: Mapping[str, int], listeners: Mapping[int, psutil.Process | None]
) -> CommandError:
    names = {port: _name_of(process) if process else "" for port, process in listeners.items()}
    told = ", ".join(f"{HOST}:{port} ({part}{names[port]})" for part, port in taken.items())
    end = "end what listens there" + ("" if all(names.values()) else " (`ss -ltnp` shows it)")
    others = []
    if any(part in fixed for part in taken):
        others.append("name another port with THROUGHLINE_COLLECTOR__PORT or THROUGHLINE_OBSERVABILITY__PORT")
    if kept := [part for part in taken if part not in fixed]:
        others.append(
            f"take {', '.join(kept)} out of `ports` in {folder / INSTALLATION_FILE}: another port is chosen then, and "
            "whoever uses the old one must be told"
        )
    return CommandError(
        "somebody else listens on a port of this installation, and its addresses stay as they were told",
        where=told,
        remedy=f"{end}; or {'; or '.join(others)}",
    )
