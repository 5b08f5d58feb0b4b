"""
Asking for help: by telephone, with the bot, in the chat, by e-mail, and complaining when nothing else helped.

The call centre sees a telephone number and nothing else; the chat sees a machine; the help desk sees a mailbox.
"""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.producers.simulator.browsing import arrive
from pipeline.producers.simulator.journal import Identity
from pipeline.producers.simulator.rhythm import DAY, HOUR, MINUTE, SECOND, office_moment
from pipeline.producers.simulator.scene import Scene, text_hash
from pipeline.producers.simulator.stories import BOT_LOOP, OVERLOAD

Refs = Mapping[str, str]

_LOOPING_ANSWER: Final = text_hash("I am sorry, I did not get that. Did you mean: opening hours?")


def ask_for_help(scene: Scene, at: int, why: str, refs: Refs) -> int:
    """Get in touch by whichever way this person prefers; returns when it was over."""
    ways = ["email", "chat"] if scene.person.phone is None else ["phone", "phone", "email", "chat"]
    way = scene.rng.choice(ways)
    if way == "phone":
        return call(scene, at, why, refs)
    return chat(scene, at, why, refs) if way == "chat" else write_mail(scene, at, why, refs)


def call(scene: Scene, at: int, why: str, refs: Refs) -> int:
    """Ring the call centre in office hours; one in six waits long, one in eight leaves without an answer."""
    rng, phone = scene.rng, scene.person.phone
    if phone is None:
        return write_mail(scene, at, why, refs)
    started_at = office_moment(rng, at)
    call_id = f"CA-{scene.person.customer_id[2:]}-{scene.person.number('call')}"
    # The agent finds the order only in half of the calls: else the number is all there is.
    known = {"conversation_id": call_id, **(refs if scene.chance(0.5) else {})}
    wait = rng.randrange(200, 1100) if scene.mishap(0.16) else rng.randrange(5, 150)
    talk = rng.randrange(60, 700)
    resolved = not scene.mishap(0.13)
    transfers = rng.choices((0, 1, 2), (75, 20, 5))[0]
    overloaded = scene.stories.is_on(OVERLOAD, started_at) and not scene.is_lucky
    if overloaded:
        wait, transfers, resolved = rng.randrange(600, 2400), rng.randrange(1, 4), scene.chance(0.5)
    identities: list[Identity] = [("phone", phone)]
    scene.journal.write(
        "support.call_started", "callcentre", started_at, identities, body={"queue": "orders"}, refs=known
    )
    ended_at = started_at + (wait + talk) * SECOND
    body = {
        "queue": "orders",
        "wait_s": wait,
        "talk_s": talk,
        "hold_s": rng.randrange(0, 60),
        "transfers": transfers,
        "answered": True,
        "agent_id": f"agent-{rng.randrange(1, 9)}",
        "reason": why,
        "resolved": resolved,
    }
    ended = scene.journal.write(
        "support.call_ended", "callcentre", ended_at, identities, body=body, refs=known, attributes={"language": "de"}
    )
    if overloaded:
        scene.stories.strike(OVERLOAD, started_at)
        scene.stories.note(OVERLOAD, scene.person, "calls", ended, refs.get("order_id"))
    if wait > 180:
        scene.stories.count("long_wait", call_id, ended)
    if not resolved:
        scene.stories.count("unresolved_call", call_id, ended)
    if not resolved and scene.chance(0.6):
        return call(scene, ended_at + scene.minutes(600, 2000), why, refs)
    return ended_at


def chat(scene: Scene, at: int, why: str, refs: Refs) -> int:
    """Open the chat on the site: the bot answers first and hands over what it cannot solve."""
    visit = arrive(scene, at)
    talk = _Conversation(scene, visit.at, [visit.device.identity], visit.session_id, refs)
    talk.say("support.chat_started", "bot", {"party": "customer", "reason": why})
    talk.say("support.chat_message", "bot", {"party": "customer", "text_hash": text_hash(why)})
    talk.say("support.chat_message", "bot", {"party": "bot", "text_hash": text_hash(f"answer to {why}")})
    handed_over = scene.chance(0.6)
    channel = "bot"
    if handed_over:
        talk.say("support.escalated", "chat", {"from": "bot", "to": "chat", "why": "asked for a person"})
        channel = "chat"
        for turn in range(scene.rng.randrange(2, 5)):
            party = "customer" if turn % 2 else "agent"
            talk.say("support.chat_message", "chat", {"party": party, "text_hash": text_hash(f"{why} {turn}")})
    duration = (talk.at - visit.at) // SECOND
    wait = scene.rng.randrange(5, 90)
    body = {"party": "customer", "handoff": handed_over, "duration_s": duration, "wait_s": wait, "resolved": True}
    talk.say("support.chat_ended", channel, body)
    return talk.at


def loop_with_bot(scene: Scene, at: int, refs: Refs) -> int:
    """Be told the same thing again and again, without hand-off, and give up."""
    visit = arrive(scene, at)
    talk = _Conversation(
        scene, visit.at, [visit.device.identity, ("email", scene.person.email)], visit.session_id, refs
    )
    written = [talk.say("support.chat_started", "bot", {"party": "customer", "reason": "where is my order"})]
    for turn in range(scene.rng.randrange(5, 9)):
        asked = text_hash(f"where is my order {turn}")
        written.append(talk.say("support.chat_message", "bot", {"party": "customer", "text_hash": asked}))
        written.append(talk.say("support.chat_message", "bot", {"party": "bot", "text_hash": _LOOPING_ANSWER}))
    duration = (talk.at - visit.at) // SECOND
    ended = {"party": "customer", "handoff": False, "duration_s": duration, "resolved": False}
    scene.stories.strike(BOT_LOOP, visit.at)
    given_up = talk.say("support.chat_ended", "bot", ended)
    for event_id in written:
        scene.stories.note(BOT_LOOP, scene.person, "touchpoints", event_id)
    scene.stories.note(BOT_LOOP, scene.person, "conversations", given_up, refs.get("order_id"))
    return talk.at


def write_mail(scene: Scene, at: int, why: str, refs: Refs) -> int:
    """Write to the help desk; a ticket is opened, answered, solved and now and then opened again."""
    rng, person = scene.rng, scene.person
    number = f"{person.customer_id[2:]}-{person.number('ticket')}"
    known = {**refs, "ticket_id": f"TI-{number}"}
    thread = {"thread_id": f"th-{number}", "subject_hash": text_hash(why)}
    mailbox: list[Identity] = [("email", person.email)]
    desk: list[Identity] = [("ticket_requester", person.requester)]
    scene.journal.write("support.email_received", "helpdesk", at, mailbox, body=thread, refs=known)
    opened = {"status": "open", "priority": rng.choice(("normal", "normal", "high")), "reason": why, "group": "service"}
    both = [*mailbox, *desk]
    scene.journal.write("support.ticket_created", "helpdesk", at + 2 * SECOND, both, body=opened, refs=known)
    answered_at = office_moment(rng, at + scene.minutes(60, 1500))
    scene.journal.write("support.email_sent", "helpdesk", answered_at, mailbox, body=thread, refs=known)
    ticket = {"ticket_id": known["ticket_id"]}
    moved = {"status": "pending", "assignee": f"agent-{rng.randrange(1, 9)}", "public_reply": True}
    scene.journal.write("support.ticket_updated", "helpdesk", answered_at + MINUTE, desk, body=moved, refs=ticket)
    solved_at = office_moment(rng, answered_at + DAY)
    solved = {"status": "solved", "group": "service"}
    scene.journal.write("support.ticket_solved", "helpdesk", solved_at, desk, body=solved, refs=ticket)
    if scene.mishap(0.12):
        again_at = solved_at + scene.minutes(300, 3000)
        again = {"status": "open", "reason": "not solved"}
        scene.journal.write("support.ticket_reopened", "helpdesk", again_at, desk, body=again, refs=ticket)
        solved_at = office_moment(rng, again_at + DAY)
        scene.journal.write("support.ticket_solved", "helpdesk", solved_at, desk, body=solved, refs=ticket)
    return solved_at


def complain(scene: Scene, at: int, category: str, refs: Refs) -> int:
    """Complain in writing and be made good."""
    mailbox: list[Identity] = [("email", scene.person.email)]
    severity = scene.rng.choice(("minor", "major"))
    raised: dict[str, Any] = {"category": category, "severity": severity}
    scene.journal.write("complaint.raised", "helpdesk", at, mailbox, body=raised, refs=refs)
    settled_at = office_moment(scene.rng, at + 2 * DAY + scene.rng.randrange(12 * HOUR))
    settled = {**raised, "remedy": "voucher"}
    scene.journal.write("complaint.resolved", "helpdesk", settled_at, mailbox, body=settled, refs=refs)
    return settled_at


class _Conversation:
    """A talk with a clock of its own; people type, so every turn takes some seconds."""

    def __init__(self, scene: Scene, at: int, identities: list[Identity], session_id: str, refs: Refs) -> None:
        self.at = at
        self._scene = scene
        self._identities = identities
        self._session_id = session_id
        number = scene.person.number("chat")
        self._refs = {**refs, "conversation_id": f"CH-{scene.person.customer_id[2:]}-{number}"}

    def say(self, kind: str, channel: str, body: Mapping[str, Any]) -> str | None:
        """Write one turn down, then let it take its time."""
        event_id = self._scene.journal.write(
            kind,
            "chat",
            self.at,
            self._identities,
            body=body,
            refs=self._refs,
            channel=channel,
            session_id=self._session_id,
        )
        self.at += self._scene.seconds(6, 50)
        return event_id
