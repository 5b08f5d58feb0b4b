"""Calls, chats, mails, tickets and bots: the oracle's rules."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.oracle.pain_kinds import MINUTE, Calendar, Found, Rule, Thresholds, first, graded, of_type
from tests.oracle.stories import Touchpoint

_CHATS = ("support.chat_started", "support.chat_message", "support.chat_ended")
_MACHINES = ("bot", "chatbot", "voicebot", "ivr", "virtual_agent", "virtual agent")


def long_wait(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return waits for an answer."""
    found: list[Found] = []
    conversations = set()
    limit = thresholds.long_wait_s
    for step in of_type(steps, "support.call_ended", *_CHATS):
        if step["wait_s"] is None or step["wait_s"] <= limit:
            continue
        if step["type"] in _CHATS and step["conversation_id"]:
            if step["conversation_id"] in conversations:
                continue
            conversations.add(step["conversation_id"])
        found.append(Found("long_wait", graded(step["wait_s"], 2 * limit, 5 * limit), step, step["occurred_at"]))
    return found


def unresolved_contact(steps: list[Touchpoint], _: Thresholds) -> list[Found]:
    """Return contacts that ended without a solution."""
    ended = of_type(steps, "support.call_ended", "support.chat_ended")
    return [
        Found("unresolved_contact", "medium", step, step["occurred_at"]) for step in ended if step["resolved"] is False
    ]


def transferred(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return contacts that were handed on too often."""
    found = []
    told = set()
    for call in of_type(steps, "support.call_ended"):
        if call["transfers"] is not None and call["transfers"] >= thresholds.transfers:
            severity = graded(call["transfers"], thresholds.transfers, 2 * thresholds.transfers)
            found.append(Found("transferred", severity, call, call["occurred_at"]))
            told.add(call["conversation_id"])
    contacts: dict[tuple[str, str], list[Touchpoint]] = {}
    for step in of_type(steps, "support.escalated"):
        if (step["from"] or "").lower() in _MACHINES or step["conversation_id"] in told - {""}:
            continue
        if step["conversation_id"] or step["ticket_id"]:
            key = (step["conversation_id"], "" if step["conversation_id"] else step["ticket_id"])
            contacts.setdefault(key, []).append(step)
    for escalations in contacts.values():
        if len(escalations) >= thresholds.transfers:
            step = escalations[thresholds.transfers - 1]
            severity = graded(len(escalations), thresholds.transfers, 2 * thresholds.transfers)
            found.append(Found("transferred", severity, step, step["occurred_at"], escalations[0]))
    return found


def _thread(step: Touchpoint, steps: list[Touchpoint]) -> str:
    if step["ticket_id"]:
        return f"ticket {step['ticket_id']}"
    if not step["thread_id"]:
        return ""
    for other in steps:
        if other["thread_id"] == step["thread_id"] and other["ticket_id"] and other["type"].startswith("support."):
            return f"ticket {other['ticket_id']}"
    return f"thread {step['thread_id']}"


def _contacts(steps: list[Touchpoint]) -> list[tuple[str, list[Touchpoint]]]:
    """Return (medium, touchpoints) of every contact that the customer began, by its first touchpoint."""
    inbound = [step for step in steps if step["direction"] != "outbound"]
    talked = of_type(inbound, "support.call_ended", "support.email_received") + [
        step for step in of_type(inbound, *_CHATS) if step["conversation_id"] or step["type"] == "support.chat_started"
    ]
    tickets = {step["ticket_id"] for step in talked if step["ticket_id"]}
    alone = [step for step in of_type(inbound, "support.ticket_created") if step["ticket_id"] not in tickets]
    contacts: dict[tuple[str, str], list[Touchpoint]] = {}
    for step in sorted(talked + alone, key=steps.index):
        if step["type"] == "support.call_ended":
            medium, key = "call", step["conversation_id"]
        elif step["type"] in _CHATS:
            medium, key = "chat", step["conversation_id"]
        else:
            medium, key = "mail", _thread(step, steps)
        contacts.setdefault((medium, key or f"#{steps.index(step)}"), []).append(step)
    return [(medium, touchpoints) for (medium, _), touchpoints in contacts.items()]


def repeat_contact(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return contacts that repeat an earlier one."""
    found = []
    known: list[tuple[Touchpoint, str, str, int]] = []
    for _, touchpoints in _contacts(steps):
        opening = touchpoints[0]
        order = next((step["order_id"] for step in touchpoints if step["order_id"]), "")
        ticket = next((step["ticket_id"] for step in touchpoints if step["ticket_id"]), "")
        number = 1
        for earlier, its_order, its_ticket, its_number in reversed(known):
            since = opening["occurred_at"] - earlier["occurred_at"]
            same_matter = (order and its_order == order) or (ticket and its_ticket == ticket)
            other_order = order and its_order and its_order != order
            if (same_matter and since <= thresholds.repeat_contact_matter) or (
                not other_order and since <= thresholds.repeat_contact
            ):
                number = its_number + 1
                severity = "high" if number >= 4 else "medium" if number == 3 else "low"
                at = opening["occurred_at"]
                found.append(Found("repeat_contact", severity, opening, at, earlier, None, order, ticket))
                break
        known.append((opening, order, ticket, number))
    return found


def reopened_ticket(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return tickets that were opened again, but not by accident."""
    found = []
    numbers: Counter[str] = Counter()
    for step in of_type(steps, "support.ticket_reopened"):
        at, ticket = step["occurred_at"], step["ticket_id"]
        solved = [other for other in of_type(steps, "support.ticket_solved") if ticket and other["ticket_id"] == ticket]
        again = first([other for other in solved if other["occurred_at"] >= at])
        if again is not None and again["occurred_at"] - at <= thresholds.reopened_grace:
            continue
        numbers[ticket] += 1 if ticket else 0
        severity = {0: "low", 1: "low", 2: "medium"}.get(numbers[ticket], "high")
        before = [other for other in solved if other["occurred_at"] <= at]
        last = [other for other in before if other["occurred_at"] == before[-1]["occurred_at"]]
        found.append(Found("reopened_ticket", severity, step, at, first(last), at + thresholds.reopened_grace))
    return found


def slow_reply(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return messages that waited longer than the opening hours allow."""
    found = []
    waiting: dict[str, Touchpoint] = {}
    closed: dict[str, bool] = {}

    def judge(message: Touchpoint, answer: Touchpoint | None) -> None:
        name = message["calendar"]
        if name not in thresholds.calendars:
            name = thresholds.calendar_of_source.get(message["source"], "default")
        due, twice, five = (
            _due(message["occurred_at"], times * thresholds.slow_reply, thresholds.calendars[name])
            for times in (1, 2, 5)
        )
        if due is None or (answer is not None and answer["occurred_at"] <= due):
            return
        severity = "medium"
        if answer is not None:
            at = answer["occurred_at"]
            is_high, is_medium = five is not None and at >= five, twice is not None and at >= twice
            severity = "high" if is_high else "medium" if is_medium else "low"
        found.append(Found("slow_reply", severity, message, due, answer, due))

    for step in steps:
        thread = _thread(step, steps) if step["type"].startswith("support.") else ""
        outbound = step["direction"] == "outbound"
        if not thread:
            continue
        if step["type"] == "support.ticket_reopened":
            closed[thread] = False
        asks = not outbound and step["type"] in (
            "support.email_received", "support.ticket_created", "support.ticket_reopened"
        )  # fmt: skip
        if asks and not closed.get(thread):
            waiting.setdefault(thread, step)
        answers = step["type"] in ("support.email_sent", "support.ticket_solved")
        answers |= step["type"] == "support.ticket_updated" and step["public_reply"] is True
        answers |= step["type"] == "support.call_ended" and outbound
        if answers and thread in waiting:
            judge(waiting.pop(thread), step)
        if step["type"] == "support.ticket_solved":
            closed[thread] = True
    for message in waiting.values():
        judge(message, None)
    return found


def _due(at: int, open_ms: int, calendar: Calendar) -> int | None:
    """Walk through the days until the business was open for so long."""
    zone = ZoneInfo(calendar.time_zone)
    start = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at)
    day = start.astimezone(zone).date() - timedelta(days=1)
    left = open_ms
    for _ in range(370):
        for opens, closes in calendar.week[day.weekday()] if day.isoformat() not in calendar.holidays else ():
            midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (wall-clock time: the zone comes next)
            begin, end = (
                _moment((midnight + timedelta(minutes=minutes)).replace(tzinfo=zone)) for minutes in (opens, closes)
            )
            begin = max(begin, at)
            if end > begin:
                if end - begin >= left:
                    due = begin + left
                    return due if due - at <= 366 * 24 * 60 * MINUTE else None
                left -= end - begin
        day += timedelta(days=1)
    return None


def _moment(wall: datetime) -> int:
    return round(wall.timestamp()) * 1000


def bot_loop(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return conversations in which a bot went round in circles."""
    found = []
    talks: dict[str, list[Touchpoint]] = {}
    for step in of_type(steps, *_CHATS, "support.escalated"):
        if step["conversation_id"]:
            talks.setdefault(step["conversation_id"], []).append(step)
    for talk in talks.values():
        channels = {step["channel"] for step in talk}
        if "bot" not in channels and not any(step["party"] == "bot" for step in talk):
            continue
        if ("bot" in channels and channels != {"bot"}) or of_type(talk, "support.escalated"):
            continue
        if any(step["party"] == "agent" or step["handoff"] or step["resolved"] for step in talk):
            continue
        ended = of_type(talk, "support.chat_ended")
        answers = Counter(step["text_hash"] for step in talk if step["party"] == "bot" and step["text_hash"])
        signs = [
            any(step["resolved"] is False for step in ended),
            any(step["handoff"] is False for step in talk if step not in ended),
            max(answers.values(), default=0) >= thresholds.bot_repeats,
        ]
        if not any(signs):
            continue
        at = talk[-1]["occurred_at"]
        named = [next((step[ref] for step in talk if step[ref]), "") for ref in ("order_id", "ticket_id")]
        severity = "high" if sum(signs) > 1 else "medium"
        due = None if ended else at + thresholds.bot_silence
        found.append(Found("bot_loop", severity, talk[0], at, talk[-1], due, *named))
    return found


CONTACT_RULES: tuple[Rule, ...] = (
    long_wait,
    unresolved_contact,
    transferred,
    repeat_contact,
    reopened_ticket,
    slow_reply,
    bot_loop,
)
