"""
`v_comments`, `v_comment_words`, `v_theme_definitions` and `v_words`: what customers say in their own words.

The rules owned here: what counts as a comment, what in it is masked, how it falls into words in any language, and which
words set low scores apart from high ones. Text is masked before anything else sees it, so no word, phrase or example
that is made of it holds an address or a number.
"""

from typing import Final

from pipeline.stitching.pain.low_score import DEFAULT_SCALES
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.theme_rules import default_themes
from pipeline.warehouse.views.touchpoints import in_journeys, touchpoint_columns

PRIOR_WORDS: Final = 100
"""Size of the prior: as if so many words had been read before, in the shares of all comments."""

_WITH_TEXT: Final = ("survey.answered", "review.published")
_WITH_ATTRIBUTE: Final = (
    "complaint.raised", "support.chat_message", "support.email_received", "support.ticket_created",
    "support.call_ended", "return.requested", "order.cancelled", "subscription.cancelled", "social.mentioned",
)  # fmt: skip
TEXT_ATTRIBUTES: Final = ("comment", "text", "message")
_READ: Final = (
    "event_uid", "ident_key", "occurred_at", "type", "channel", "direction", "party", "order_id",
    "ticket_id", "survey_id", "product_ids", "attributes", "comment", "text", "instrument", "rating", "score", "scale",
    "scale_min", "scale_max",
)  # fmt: skip

# Scripts without spaces between words; a run of them falls into pairs of characters.
_UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}"
_LETTERS: Final = rf"(?:[^\P{{L}}{_UNSPACED}]|\p{{M}})+"
_A_LETTER: Final = r"\p{L}"
_RUNS: Final = rf"[{_UNSPACED}]+|{_LETTERS}(?:['’]{_LETTERS})*"
# Written with few classes: a pattern is compiled anew for every block of rows. Comments are sorted before any pattern
# sees them, which makes few large blocks of many small ones; a sort without a limit would be left out.
_ALL: Final = 2**62
_MASKS: Final = (
    (r"[^\s@<>()\[\],;:]+@[^\s@<>()\[\],;:]+\.[^\s@<>()\[\],;:.]+", "[e-mail]"),
    (r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", "[account]"),
    (r"[0-9](?:[ -]?[0-9]){12,18}", "[number]"),
    (r"\+[0-9](?:[ ()/.-]{0,3}[0-9]){6,14}|\(?[0-9](?:[ ()/.-]{0,3}[0-9]){8,14}", "[phone]"),
)
MASKS: Final = tuple(label for _, label in _MASKS)


def comments_view() -> View:
    """Declare `v_comments`."""
    return View(
        name="v_comments",
        comment="What customers wrote in surveys, reviews, complaints and chats; addresses and numbers are masked.",
        columns=view_columns_of(
            [
                ("event_uid", "UUID", "c.event_uid", "The touchpoint."),
                ("customer_uid", "UUID", "c.customer_uid", "The customer."),
                ("journey_id", "Nullable(UUID)", "c.journey_id", "The journey."),
                ("occurred_at", MILLIS, "c.occurred_at", "When it was written."),
                ("type", LOW, "c.type", "Where it comes from: type of the touchpoint."),
                ("channel", LOW, "c.channel", "Channel that it came by."),
                ("score", "Nullable(Float64)", "c.points", "Score given with it, brought to 0 to 100; NULL: none."),
                ("verdict", LOW, "c.verdict", "low, middle or high by the score; empty: none."),
                ("text", "String", "c.masked", f"The text, with {', '.join(MASKS)} in the place of personal data."),
                ("words", "Array(String)", "c.words", "Its words in order, in lower case; pairs of characters in CJK."),
                ("themes", "Array(String)", "c.themes", "What it is about, by v_theme_definitions."),
                ("order_id", "Nullable(String)", "c.order_id", "Order it refers to."),
                ("ticket_id", "Nullable(String)", "c.ticket_id", "Support ticket it refers to."),
                ("survey_id", "Nullable(String)", "c.survey_id", "Survey it refers to."),
                ("product_ids", "Array(String)", "c.product_ids", "Products it refers to."),
            ]
        ),
        source=f"FROM\n(\n{_comments()}\n) AS c",
        question="What do those write who give low scores?",
        example="SELECT occurred_at, type, score, themes, text\nFROM v_comments\nWHERE verdict = 'low'\n"
        "ORDER BY occurred_at DESC\nLIMIT 20",
    )


def comment_words_view() -> View:
    """Declare `v_comment_words`."""
    pairs = (
        f"arrayFilter(x -> NOT match(x, {quote_text(f'[{_UNSPACED}]')}), "
        "arrayMap((a, b) -> concat(a, ' ', b), arrayPopBack(c.words), arrayPopFront(c.words)))"
    )
    return View(
        name="v_comment_words",
        comment="The words and pairs of words of every comment, each once a comment.",
        columns=view_columns_of(
            [
                ("event_uid", "UUID", "c.event_uid", "The comment."),
                ("occurred_at", MILLIS, "c.occurred_at", "When it was written."),
                ("type", LOW, "c.type", "Type of its touchpoint."),
                ("channel", LOW, "c.channel", "Its channel."),
                ("verdict", LOW, "c.verdict", "low, middle or high by its score; empty: none."),
                ("phrase", "String", "a_phrase.1", "The word, or two that follow each other."),
                ("size", "UInt8", "toUInt8(a_phrase.2)", "1 for a word, 2 for a pair."),
            ]
        ),
        source="FROM {db}.v_comments AS c\n"
        "ARRAY JOIN arrayConcat(arrayMap(x -> (x, 1), arrayDistinct(c.words)),\n"
        f"    arrayMap(x -> (x, 2), arrayDistinct({pairs}))) AS a_phrase",
        question="In which comments does a word stand?",
        example="SELECT phrase, count() AS comments, countIf(verdict = 'low') AS low\n"
        "FROM v_comment_words\nWHERE size = 1\nGROUP BY phrase\nORDER BY comments DESC, phrase\nLIMIT 20",
    )


def words_view() -> View:
    """Declare `v_words`."""
    return View(
        name="v_words",
        comment="Words and phrases that set comments with low scores apart from those with high ones.",
        columns=view_columns_of(
            [
                ("phrase", "String", "w.phrase", "The word, or two that follow each other."),
                ("size", "UInt8", "w.size", "1 for a word, 2 for a pair."),
                ("comments", "UInt64", "w.comments", "Comments that it stands in."),
                ("low", "UInt64", "w.low", "Of these, with a low score."),
                ("high", "UInt64", "w.high", "Of these, with a high score."),
                ("log_odds", "Nullable(Float64)", "w.log_odds", "Log-odds ratio: above 0 it goes with low scores."),
                ("z", "Nullable(Float64)", "w.z", "The same in standard errors: what to sort by."),
            ]
        ),
        source=f"FROM\n(\n{words_of('{db}.v_comment_words', '1')}\n) AS w",
        question="Which words go with low scores?",
        example="SELECT phrase, low, high, round(log_odds, 2) AS log_odds, round(z, 1) AS z\n"
        "FROM v_words\nWHERE low + high >= 3\nORDER BY z DESC, phrase\nLIMIT 15",
    )


def theme_definitions_view() -> View:
    """Declare `v_theme_definitions`."""
    return View(
        name="v_theme_definitions",
        comment="The themes that hold, and the words by which a comment is about one.",
        columns=view_columns_of(
            [
                ("theme", "String", "d.name", "Stable name."),
                ("title", "String", "d.title", "Name for people."),
                ("pattern", "String", "d.pattern", "Regular expression (RE2) over the words."),
            ]
        ),
        source=f"FROM\n(\n    WITH {_declared()} AS rules\n    SELECT name, title, pattern FROM (SELECT 1)\n"
        "    ARRAY JOIN rules.1 AS name, rules.2 AS title, rules.3 AS pattern\n) AS d",
        question="What can comments be about?",
        example="SELECT theme, title FROM v_theme_definitions ORDER BY theme",
    )


def words_of(source: str, condition: str) -> str:
    """
    Return the words of comments with their log-odds and z: phrase, size, comments, low, high, log_odds, z.

    Monroe, Colaresi and Quinn, Fightin' Words, Political Analysis 16(4), 2008: the log-odds ratio of the two groups
    under a Dirichlet prior in the shares that the words have in all comments.

    Args:
        source: `v_comment_words`, as it is named in the query.
        condition: Which of its rows count.
    """
    prior = f"{PRIOR_WORDS} * comments / all_comments"

    def odds(count: str, all_: str) -> str:
        return f"log(({count} + {prior}) / ({all_} + {PRIOR_WORDS} - {count} - {prior}))"

    return f"""
    SELECT phrase, size, comments, low, high,
        if(comments = all_comments, NULL, {odds("low", "all_low")} - {odds("high", "all_high")}) AS log_odds,
        log_odds / sqrt(1 / (low + {prior}) + 1 / (high + {prior})) AS z
    FROM
    (
        SELECT phrase, size, count() AS comments, countIf(verdict = 'low') AS low, countIf(verdict = 'high') AS high,
            sum(comments) OVER (PARTITION BY size) AS all_comments, sum(low) OVER (PARTITION BY size) AS all_low,
            sum(high) OVER (PARTITION BY size) AS all_high
        FROM {source}
        WHERE {condition}
        GROUP BY phrase, size
    )"""


def _comments() -> str:
    bigrams = "arrayMap(i -> substringUTF8(r, i, 2), range(1, greatest(2, lengthUTF8(r))))"
    is_unspaced = f"match(r, {quote_text(f'^[{_UNSPACED}]')})"
    words = f"arrayFlatten(arrayMap(r -> if({is_unspaced}, {bigrams}, [r]), runs))"
    labels = rf"\[(?:{'|'.join(label.strip('[]') for label in MASKS)})\]"
    bare = f"replaceRegexpAll(masked, {quote_text(labels)}, ' . ')"
    return f"""
    WITH {_declared()} AS rules
    SELECT *, {words} AS words, arrayFilter((n, p) -> match(line, p), rules.1, rules.3) AS themes
    FROM
    (
        SELECT *, concat(' ', arrayStringConcat(runs, ' '), ' ') AS line
        FROM
        (
            SELECT *, extractAll(lowerUTF8({bare}), {quote_text(_RUNS)}) AS runs
            FROM
            (
                SELECT *, {_masked("said")} AS masked, {_points()} AS points, {_verdict()} AS verdict
                FROM
                (
                    SELECT t.event_uid, t.customer_uid, t.journey_id, t.occurred_at, t.type, t.channel, t.order_id,
                        t.ticket_id, t.survey_id, t.product_ids, ifNull(t.instrument, '') AS instrument,
                        {_given()}, t.said
                    FROM ({in_journeys(_written())}) AS t
                    ORDER BY t.occurred_at LIMIT {_ALL}
                )
                WHERE match(said, {quote_text(_A_LETTER)})
            )
        )
    )"""


def _written() -> str:
    """Select the touchpoints in which something is written: few, so whatever is joined is joined to them."""
    types = ", ".join(map(quote_text, (*_WITH_TEXT, *_WITH_ATTRIBUTE)))
    return (
        f"SELECT *, {_said()} AS said\nFROM (SELECT {touchpoint_columns(*_READ)} FROM {{db}}.touchpoints AS t FINAL\n"
        f"    WHERE t.type IN ({types})) AS t\nWHERE said != ''"
    )


def _said() -> str:
    attribute = "coalesce({})".format(", ".join(f"nullIf(t.attributes['{name}'], '')" for name in TEXT_ATTRIBUTES))
    is_theirs = "t.direction != 'outbound' AND ifNull(t.party, 'customer') = 'customer'"
    # Few have such an attribute, so it is looked for before the body is: whose word it is stands there.
    return (
        "multiIf(t.type = 'survey.answered', ifNull(t.comment, ''), t.type = 'review.published', ifNull(t.text, ''), "
        f"isNull({attribute}), '', {is_theirs}, ifNull({attribute}, ''), '')"
    )


def _given() -> str:
    """Return the score as it was given and both ends of its scale."""
    return (
        "if(t.type = 'review.published', t.rating, t.score) AS given, "
        "if(t.type = 'review.published', 1, ifNull(t.scale_min, "
        f"{_usual(0)})) AS lowest, if(t.type = 'review.published', ifNull(t.scale, 5), "
        f"ifNull(t.scale_max, {_usual(1)})) AS highest"
    )


def _usual(end: int) -> str:
    scales = {"nps": (0.0, 10.0), **DEFAULT_SCALES}
    known = ", ".join(f"t.instrument = {quote_text(name)}, {scale[end]}" for name, scale in scales.items())
    return f"multiIf({known}, 0)"


def _points() -> str:
    return (
        "if(highest > lowest AND given BETWEEN lowest AND highest, 100 * (given - lowest) / (highest - lowest), NULL)"
    )


def _verdict() -> str:
    nps = "instrument = 'nps' AND lowest = 0 AND highest = 10"
    return (
        f"multiIf(isNull(points), '', {nps}, multiIf(given <= 6, 'low', given >= 9, 'high', 'middle'), "
        "points <= 40 + 1e-7, 'low', points >= 75 - 1e-7, 'high', 'middle')"
    )


def _masked(text: str) -> str:
    for pattern, label in _MASKS:
        text = f"replaceRegexpAll({text}, {quote_text(pattern)}, {quote_text(label)})"
    return text


def _declared() -> str:
    themes = default_themes()
    arrays = ", ".join(
        f"CAST([{', '.join(map(quote_text, values))}], 'Array(String)')"
        for values in (
            [theme.name for theme in themes],
            [theme.title for theme in themes],
            [theme.pattern() for theme in themes],
        )
    )
    return (
        f"(SELECT if(empty(newest.1), tuple({arrays}), newest)\n"
        "    FROM (SELECT argMax(tuple(names, titles, patterns), set_at) AS newest FROM {db}.theme_rules))"
    )
