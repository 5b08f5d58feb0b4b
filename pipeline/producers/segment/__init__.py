"""The wire format that Segment's and RudderStack's clients speak, turned into touchpoints."""

from pipeline.producers.segment.messages import Sender, Translated, to_touchpoint
from pipeline.producers.segment.vocabulary import VOCABULARIES, vocabulary

__all__ = ["VOCABULARIES", "Sender", "Translated", "to_touchpoint", "vocabulary"]
