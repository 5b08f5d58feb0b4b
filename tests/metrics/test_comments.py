"""What customers say: comments, what is masked, words in any language, themes, and the words of low scores."""

from collections.abc import Iterator
from math import log, sqrt

import pytest

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.theme_rules import ThemeError, declare_themes, default_themes, read_themes
from pipeline.warehouse.views.comments import PRIOR_WORDS
from tests.cli.conftest import run_here
from tests.metrics.conftest import Told

OWN = """
[[theme]]
name = "colour"
title = "Colours"
en = ["red*", "dark blue"]
zh = ["红色"]
"""


@pytest.fixture
def shop(told: Told) -> Iterator[Told]:
    yield told
    told.shop.query("TRUNCATE TABLE theme_rules")


def review(shop: Told, text: str, rating: float = 1, who: str = "u1") -> None:
    shop.say(who, shop.number, "review.published", body={"rating": rating, "scale": 5, "text": text})


def texts(shop: Told, columns: str = "text") -> list[tuple[object, ...]]:
    return shop.shop.rows(f"SELECT {columns} FROM v_comments ORDER BY occurred_at")


def test_without_comments_nothing_is_said(shop: Told) -> None:
    review(shop, "   ")
    shop.say("u1", 2, "survey.answered", body={"instrument": "nps", "score": 1})
    shop.stitch()
    for view in ("v_comments", "v_comment_words", "v_words"):
        assert shop.shop.rows(f"SELECT * FROM {view}") == []


def test_scores_are_brought_to_one_scale_and_judged(shop: Told) -> None:
    """NPS has bounds of its own; else 40 of 100 is low and 75 is high; what was said without a score has no verdict."""
    for instrument, score in (("nps", 6), ("nps", 7), ("nps", 9), ("csat", 2), ("csat", 3), ("csat", 4), ("ces", 7)):
        body = {"instrument": instrument, "score": score, "comment": "words"}
        shop.say("u1", shop.number, "survey.answered", body=body)
    said = [{"key": "text", "value": "It broke."}]
    shop.say("u1", 20, "complaint.raised", attributes=said, refs={"order_id": "o1"})
    shop.say("u1", 21, "support.chat_message", attributes=said, body={"party": "agent"})
    shop.say(
        "u1", 22, "support.chat_message", attributes=[{"key": "message", "value": "Hello?"}], body={"party": "customer"}
    )
    shop.stitch()
    assert texts(shop, "type, score, verdict") == [
        ("survey.answered", 60, "low"),
        ("survey.answered", 70, "middle"),
        ("survey.answered", 90, "high"),
        ("survey.answered", 25, "low"),
        ("survey.answered", 50, "middle"),
        ("survey.answered", 75, "high"),
        ("survey.answered", 100, "high"),
        ("complaint.raised", None, ""),
        ("support.chat_message", None, ""),
    ]
    assert texts(shop, "text, order_id")[-2:] == [("It broke.", "o1"), ("Hello?", None)]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("write to ada.lovelace+x@mail.example.org!", "write to [e-mail]"),
        ("jürgen@müller.example, please", "[e-mail], please"),
        ("call +49 (30) 123-4567 now", "call [phone] now"),
        ("call 030 1234 5678 now", "call [phone] now"),
        ("card 4111 1111 1111 1111.", "card [number]."),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [account] please"),
        ("promised 30/06/2017, came 2017-07-14", "promised 30/06/2017, came 2017-07-14"),
        ("order 12345678, 3 of 5 stars", "order 12345678, 3 of 5 stars"),
    ],
)
def test_personal_data_is_masked_wherever_it_shows(shop: Told, said: str, shown: str) -> None:
    review(shop, said)
    shop.stitch()
    [(text, words)] = texts(shop, "text, words")
    assert text == shown
    assert not {"ada", "lovelace", "mail", "phone", "number", "account", "e"} & set(words)  # type: ignore[call-overload]


def test_text_of_any_language_falls_into_words(shop: Told) -> None:
    review(shop, "Don't! NÃO chegou, Größe 42… Привет")
    review(shop, "配達が遅い。新")
    shop.stitch()
    assert texts(shop, "words") == [
        (["don't", "não", "chegou", "größe", "привет"],),
        (["配達", "達が", "が遅", "遅い", "新"],),
    ]
    pairs = shop.shop.rows("SELECT phrase FROM v_comment_words WHERE size = 2 ORDER BY phrase")
    assert pairs == [("chegou größe",), ("don't não",), ("größe привет",), ("não chegou",)]


def test_words_of_low_scores_have_the_log_odds_of_the_paper(shop: Told) -> None:
    """Monroe, Colaresi and Quinn (2008), computed anew: z of each word with the prior in the shares of all comments."""
    stories = (
        ("came late", 1),
        ("late late again", 1),
        ("lovely and quick", 5),
        ("quick again", 5),
        ("late but fine", 3),
    )
    for text, rating in stories:
        review(shop, text, rating)
    shop.stitch()
    sets = {side: [set(text.split()) for text, rating in stories if rating in ratings] for side, ratings in
            (("low", (1,)), ("high", (5,)), ("all", (1, 3, 5)))}  # fmt: skip

    def count(side: str, word: str) -> int:
        return sum(word in words for words in sets[side])

    def size(side: str) -> int:
        return sum(map(len, sets[side]))

    def z(word: str) -> float:
        prior = PRIOR_WORDS * count("all", word) / size("all")
        odds = [
            log((count(s, word) + prior) / (size(s) + PRIOR_WORDS - count(s, word) - prior)) for s in ("low", "high")
        ]
        return (odds[0] - odds[1]) / sqrt(1 / (count("low", word) + prior) + 1 / (count("high", word) + prior))

    found = shop.shop.rows("SELECT phrase, comments, low, high, z FROM v_words WHERE size = 1 ORDER BY z DESC")
    assert found[0][:4] == ("late", 3, 2, 0)
    assert {row[0] for row in found[-2:]} == {"quick", "and"} or found[-1][0] == "quick"
    assert {row[0]: row[4] for row in found} == {row[0]: pytest.approx(z(row[0])) for row in found}


def test_one_word_alone_has_no_odds(shop: Told) -> None:
    review(shop, "bad")
    shop.stitch()
    assert shop.shop.rows("SELECT phrase, comments, low, high, log_odds, z FROM v_words") == [
        ("bad", 1, 1, 0, None, None)
    ]


def test_themes_are_words_as_data(shop: Told, metric_database: ClickHouseSettings) -> None:
    for text in ("Ainda não recebi, NÃO funciona", "colate and reddish", "dark blue", "dark, very blue", "买了红色的"):
        review(shop, text)
    shop.stitch()
    assert texts(shop, "themes")[0] == (["late", "damaged"],)
    client = connect(metric_database)
    declare_themes(client, OWN, read_themes(OWN))
    assert texts(shop, "themes") == [([],), (["colour"],), (["colour"],), ([],), (["colour"],)]
    assert shop.shop.rows("SELECT theme, title FROM v_theme_definitions") == [("colour", "Colours")]
    declare_themes(client, "", ())
    client.close()
    names = {row[0] for row in shop.shop.rows("SELECT theme FROM v_theme_definitions")}
    assert names == {theme.name for theme in default_themes()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("theme = 1", "1 to 30 tables"),
        ("[[theme", "not TOML"),
        (OWN.replace('"colour"', '"The Colour"'), "name: lower-case letters"),
        (OWN + OWN, "colour: the name is given twice"),
        (OWN.replace("en =", "english ="), "english: unknown"),
        (OWN.replace('"red*"', '"re*d"'), "'re*d' is no word"),
        (OWN.replace('"red*"', '"24 hours"'), "'24 hours' is no word"),
        ('[[theme]]\nname = "a"\ntitle = "A"\n', "theme 1 (a): has no words"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_said(text: str, said: str) -> None:
    with pytest.raises(ThemeError) as fault:
        read_themes(text)
    assert said in str(fault.value)


def test_the_command_shows_words_with_comments_to_read(
    shop: Told, metric_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    for number in range(3):
        review(shop, f"came far too late, mail me{number}@example.org", 1)
        review(shop, "came quickly, lovely", 5)
    shop.stitch()
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", metric_database.url.get_secret_value())
    outcome = run_here("words", "--json", "--examples", "2", "--limit", "3")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert [(row["theme"], row["low"], row["high"]) for row in found["themes"]] == [("late", 3, 0), ("quick", 0, 3)]
    assert [row["goes_with"] for row in found["words"]] == ["low"] * 3 + ["high"] * 3
    # Each side wrote one thing three times.
    assert all(len(row["examples"]) == 1 for row in found["words"])
    assert "example.org" not in outcome.out
    assert found["words"][0]["examples"][0]["text"] == "came far too late, mail [e-mail]"
    review(shop, "came late", 1)
    shop.stitch()
    [late] = [row for row in json.loads(run_here("words", "--json", "--examples", "5").out)["themes"] if row["low"]]
    assert sorted(one["text"] for one in late["examples"]) == ["came far too late, mail [e-mail]", "came late"]
    table = run_here("words").out
    assert "came far too late, mail [e-mail]" in table
    assert run_here("words", "--type", "complaint.raised").out == "No comments of that sort.\n"
    moods = json.loads(run_here("words", "--json", "--limit", "3", "--sentiment").out)
    by_side = [(row["goes_with"], row["examples"][0]["sentiment"]) for row in moods["words"]]
    assert by_side and all(mood < 0 if side == "low" else mood > 0 for side, mood in by_side)


def test_a_missing_library_of_sentiment_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.words.find_spec", lambda _: None)
    outcome = run_here("words", "--sentiment")
    assert outcome.code == 2
    assert "throughline[sentiment]" in outcome.err
