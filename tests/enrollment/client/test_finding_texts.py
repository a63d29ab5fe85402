import re
from datetime import UTC, date, datetime
from typing import get_args

import pytest

from enrollment.client import finding_texts
from enrollment.client.findings import Check, Diagnosis, Finding, Verdict, fault, good, told
from enrollment.client.texts import Language
from kernel.errors import Refused
from tests.support.schema import ROOT

LANGUAGES: tuple[Language, ...] = get_args(Language)
SOURCE = "".join(
    (ROOT / "enrollment" / "client" / f"{name}.py").read_text(encoding="utf-8") for name in ("doctor", "way", "findings")
)
USED = set(re.findall(r'"([a-z]+(?:-[a-z0-9]+)*)"', SOURCE)) & finding_texts.TOPICS.keys()
INSTANT = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def _names(pair: tuple[str, str]) -> set[str]:
    return {name for text in pair for name in re.findall(r"\{(\w+)\}", text)}


@pytest.mark.parametrize("topic", finding_texts.TOPICS)
def test_every_sentence_is_said_somewhere_and_in_both_languages(topic: str) -> None:
    assert topic in USED
    told_as = finding_texts.TOPICS[topic]
    for japanese, english in (told_as.cause, told_as.remedy):
        assert (japanese == "") == (english == "")
        assert _names((japanese, "")) == _names(("", english))
        assert re.search("[ぁ-んァ-ン]", english) is None


def test_every_topic_that_is_found_has_its_sentence() -> None:
    topics = set(re.findall(r'(?:good|notice|fault|skipped)\(Check\.\w+, "([^"]+)"', SOURCE))
    assert len(topics) > 25
    assert topics <= finding_texts.TOPICS.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_fault_is_told_with_code_cause_and_remedy(language: Language) -> None:
    lines = finding_texts.lines(fault(Check.PERIOD, "period-over", "E104", not_after=INSTANT, now=INSTANT), language)
    assert len(lines) == 2
    assert "E104" in lines[0]
    assert "2026/11/24 00:00:00" in lines[0]
    assert "reissue" in lines[1] or "再発行" in lines[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_good_takes_one_line(language: Language) -> None:
    finding = good(Check.RENEWAL, "renewal", first_day=date(2026, 11, 1), last_day=date(2026, 11, 29), suggested=INSTANT)
    [line] = finding_texts.lines(finding, language)
    assert "2026-11-01" in line
    assert "{" not in line


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_missing_fact_is_a_dash(language: Language) -> None:
    assert "-" in finding_texts.cause(fault(Check.TLS, "tls-untrusted", "E111", issuer=None), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_speaks_for_itself(language: Language) -> None:
    refused = Refused("A0036", title="現在有効な証明書ではありません。", title_en="This is not the current one.", status=403)
    cause, remedy = finding_texts.lines(told(Check.TERMINAL, refused, "A0036"), language)
    assert ("not the current one" in cause) == (language == "en")
    assert cause.count("A0036") == 1
    assert ("newer certificate" in remedy) == (language == "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_summary_names_the_faults(language: Language) -> None:
    sound = Diagnosis((good(Check.KEY, "key"), Finding(Check.LOGON, Verdict.SKIPPED, "skipped")))
    assert sound.is_sound
    assert "E" not in finding_texts.summary(sound, language)
    ill = Diagnosis((fault(Check.KEY, "key-missing", "E103"), fault(Check.CLOCK, "clock-off", "E111")))
    assert not ill.is_sound
    assert all(code in finding_texts.summary(ill, language) for code in ("E103", "E111"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_check_and_verdict_has_a_name(language: Language) -> None:
    shown = {finding_texts.lines(Finding(check, verdict, "skipped"), language)[0] for check in Check for verdict in Verdict}
    assert len(shown) == len(Check) * len(Verdict)
