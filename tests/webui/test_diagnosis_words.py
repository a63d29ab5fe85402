"""The words of diagnoses are whole: each finding that the core can make has some, in both languages, and each code a page."""

import re
from pathlib import Path

from webui.bulletin.codes import by_code, read_groups
from webui.diagnosis_topics import TOPICS
from webui.texts import read_catalogue

CORE = Path(__file__).parents[2] / "enrollment" / "diagnosis.py"
TEXT = CORE.read_text(encoding="utf-8")


def test_every_topic_of_the_core_has_words() -> None:
    named = set(
        re.findall(
            r'"((?:terminal|start|suspended|approval|codes|certificate|superseded|logon|renewal|reissue|service)[a-z-]*)"', TEXT
        )
    )
    codes = by_code(read_groups())
    assert len(named - codes.keys()) > 30
    assert named - codes.keys() <= TOPICS.keys() | {"codes", "reissue"}
    assert {f"suspended-by-rule-{rule}" for rule in (1, 2, 3)} <= TOPICS.keys()
    assert {"codes-frozen-consent", "codes-frozen-staff"} <= TOPICS.keys()


def test_every_code_of_the_core_has_a_page() -> None:
    codes = by_code(read_groups())
    named = set(re.findall(r'Check\.[A-Z]+, [^,]+, "([A-Za-z0-9-]+)"', TEXT))
    assert {"A0006", "A0014", "E104", "codes-expired", "throttled"} <= named
    assert named <= codes.keys()


def test_every_topic_is_told_in_english() -> None:
    english = read_catalogue("shared").singles
    for topic in TOPICS.values():
        assert {topic.cause, topic.remedy} - {""} <= english.keys()
