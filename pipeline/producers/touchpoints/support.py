# Rendered by `make render` from the schemas; edit the schemas instead.
"""Touchpoints of the family `support`: one builder a type."""

from typing import Literal, Unpack

from pipeline.producers.touchpoints.building import Touchpoint, build
from pipeline.producers.touchpoints.envelope import Envelope


class SupportCallStartedFields(Envelope, total=False):
    """What `support.call_started` and its like may say."""

    queue: str  # Queue or hotline.
    wait_s: float  # Seconds until somebody answered.
    talk_s: float  # Seconds of talk.
    hold_s: float  # Seconds on hold.
    transfers: int  # How often it was handed on.
    answered: bool  # Somebody answered.
    agent_id: str  # Who answered.
    reason: str  # Why the customer turned to us.
    resolved: bool  # The matter was settled.


class SupportChatStartedFields(Envelope, total=False):
    """What `support.chat_started` and its like may say."""

    party: Literal["customer", "agent", "bot", "other"]  # Who speaks.
    text_hash: str  # Hash of the text; the text itself is not sent.
    handoff: bool  # Handed from bot to person.
    duration_s: float  # Seconds from start to end.
    queue: str  # Queue or hotline.
    wait_s: float  # Seconds until somebody answered.
    agent_id: str  # Who answered.
    reason: str  # Why the customer turned to us.
    resolved: bool  # The matter was settled.


class SupportEmailReceivedFields(Envelope, total=False):
    """What `support.email_received` and its like may say."""

    subject_hash: str  # Hash of the subject line.
    thread_id: str  # Mail thread.


class SupportTicketCreatedFields(Envelope, total=False):
    """What `support.ticket_created` and its like may say."""

    status: str  # Status of the ticket.
    priority: str  # Priority of the ticket.
    reason: str  # Why the customer turned to us.
    group: str  # Team that has the ticket.
    assignee: str  # Person that has the ticket.
    public_reply: bool  # The customer sees the change.


class SupportEscalatedFields(Envelope, total=False):
    """What `support.escalated` and its like may say."""

    from_: str  # Who gave it on.
    to: str  # Who took it.
    why: str  # Why it was escalated.


class ComplaintRaisedFields(Envelope, total=False):
    """What `complaint.raised` and its like may say."""

    category: str  # What the complaint is about.
    severity: str  # How grave the complaint is.
    regulator_ref: str  # File number at a regulator.
    remedy: str  # What was done about it.


def support_call_started(**fields: Unpack[SupportCallStartedFields]) -> Touchpoint:
    """A call began."""
    return build("support.call_started", fields)


def support_call_ended(**fields: Unpack[SupportCallStartedFields]) -> Touchpoint:
    """A call ended."""
    return build("support.call_ended", fields)


def support_chat_started(**fields: Unpack[SupportChatStartedFields]) -> Touchpoint:
    """A chat began."""
    return build("support.chat_started", fields)


def support_chat_message(**fields: Unpack[SupportChatStartedFields]) -> Touchpoint:
    """Somebody wrote in a chat."""
    return build("support.chat_message", fields)


def support_chat_ended(**fields: Unpack[SupportChatStartedFields]) -> Touchpoint:
    """A chat ended."""
    return build("support.chat_ended", fields)


def support_email_received(**fields: Unpack[SupportEmailReceivedFields]) -> Touchpoint:
    """The customer wrote an e-mail."""
    return build("support.email_received", fields)


def support_email_sent(**fields: Unpack[SupportEmailReceivedFields]) -> Touchpoint:
    """The business wrote an e-mail."""
    return build("support.email_sent", fields)


def support_ticket_created(**fields: Unpack[SupportTicketCreatedFields]) -> Touchpoint:
    """A ticket was opened."""
    return build("support.ticket_created", fields)


def support_ticket_updated(**fields: Unpack[SupportTicketCreatedFields]) -> Touchpoint:
    """A ticket was changed."""
    return build("support.ticket_updated", fields)


def support_ticket_solved(**fields: Unpack[SupportTicketCreatedFields]) -> Touchpoint:
    """A ticket was solved."""
    return build("support.ticket_solved", fields)


def support_ticket_reopened(**fields: Unpack[SupportTicketCreatedFields]) -> Touchpoint:
    """A solved ticket was opened again."""
    return build("support.ticket_reopened", fields)


def support_escalated(**fields: Unpack[SupportEscalatedFields]) -> Touchpoint:
    """A contact was handed up, as from bot to person."""
    return build("support.escalated", fields)


def complaint_raised(**fields: Unpack[ComplaintRaisedFields]) -> Touchpoint:
    """The customer complained."""
    return build("complaint.raised", fields)


def complaint_resolved(**fields: Unpack[ComplaintRaisedFields]) -> Touchpoint:
    """A complaint was settled."""
    return build("complaint.resolved", fields)
