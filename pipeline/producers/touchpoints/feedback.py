# Rendered by `make render` from the schemas; edit the schemas instead.
"""Touchpoints of the family `feedback`: one builder a type."""

from typing import Literal, Required, Unpack

from pipeline.producers.touchpoints.building import Touchpoint, build
from pipeline.producers.touchpoints.envelope import Envelope


class SurveySentFields(Envelope, total=False):
    """What `survey.sent` and its like may say."""

    instrument: Literal["nps", "csat", "ces", "star", "text", "other"]  # What is measured.
    score: float  # Answer on the scale.
    scale_min: float  # Least answer.
    scale_max: float  # Greatest answer.
    comment: str  # Answer in words.
    trigger_event_id: str  # Touchpoint that the survey asks about.


class SurveyAnsweredFields(Envelope, total=False):
    """What `survey.answered` and its like may say."""

    instrument: Required[Literal["nps", "csat", "ces", "star", "text", "other"]]  # What is measured.
    score: Required[float]  # Answer on the scale.
    scale_min: float  # Least answer.
    scale_max: float  # Greatest answer.
    comment: str  # Answer in words.
    trigger_event_id: str  # Touchpoint that the survey asks about.


class ReviewPublishedFields(Envelope, total=False):
    """What `review.published` and its like may say."""

    rating: float  # Rating on the scale; JSON may give it as text, as Segment does.
    scale: float  # Greatest rating.
    text: str  # Review in words.
    site: str  # Where it was published.
    verified: bool  # The site knows that the reviewer bought it.


class ReferralSentFields(Envelope, total=False):
    """What `referral.sent` and its like may say."""

    code: str  # Code of the recommendation.
    referee: str  # Who was recommended to us.


class FeedbackCaseOpenedFields(Envelope, total=False):
    """What `feedback.case_opened` and its like may say."""

    case_id: str  # Case that follows up the feedback.
    owner: str  # Who has the case.
    cause_event_id: str  # Touchpoint that caused the case.
    outcome: str  # What came of it.


def survey_sent(**fields: Unpack[SurveySentFields]) -> Touchpoint:
    """A survey was sent."""
    return build("survey.sent", fields)


def survey_answered(**fields: Unpack[SurveyAnsweredFields]) -> Touchpoint:
    """A survey was answered."""
    return build("survey.answered", fields)


def survey_declined(**fields: Unpack[SurveySentFields]) -> Touchpoint:
    """A survey was declined."""
    return build("survey.declined", fields)


def review_published(**fields: Unpack[ReviewPublishedFields]) -> Touchpoint:
    """A review was published."""
    return build("review.published", fields)


def referral_sent(**fields: Unpack[ReferralSentFields]) -> Touchpoint:
    """The customer recommended us."""
    return build("referral.sent", fields)


def referral_converted(**fields: Unpack[ReferralSentFields]) -> Touchpoint:
    """A recommendation brought a customer."""
    return build("referral.converted", fields)


def feedback_case_opened(**fields: Unpack[FeedbackCaseOpenedFields]) -> Touchpoint:
    """Feedback is followed up."""
    return build("feedback.case_opened", fields)


def feedback_action_taken(**fields: Unpack[FeedbackCaseOpenedFields]) -> Touchpoint:
    """Something was done about feedback."""
    return build("feedback.action_taken", fields)


def feedback_case_closed(**fields: Unpack[FeedbackCaseOpenedFields]) -> Touchpoint:
    """The follow-up of feedback ended."""
    return build("feedback.case_closed", fields)
