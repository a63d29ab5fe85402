import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from enrollment.client import texts
from enrollment.client.standing import Phase, Standing
from enrollment.client.texts import Language
from kernel.errors import Refused
from tests.support.schema import ROOT

LANGUAGES: tuple[Language, ...] = get_args(Language)
SOURCES = sorted((ROOT / "enrollment" / "client").glob("*.py"))
OWN_CODES = sorted({code for file in SOURCES for code in re.findall(r'Refused\(\s*"([^"]+)"', file.read_text(encoding="utf-8"))})
FACTS: dict[str, object] = {
    "path": "/x",
    "detail": "why",
    "address": "http://x",
    "field": "auth_code_2",
    "status": 302,
    "terminal": "99999W",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", OWN_CODES)
def test_every_refusal_of_the_client_has_its_sentence(code: str, language: Language) -> None:
    line = texts.line(Refused(code, **FACTS), language)
    assert line.startswith(f"{code}: ")
    assert "{" not in line
    assert "\n" not in line
    assert line not in (f"{code}: 処理できませんでした。", f"{code}: This was not possible.")
    assert re.search("[ぁ-ん]", line) is not None if language == "ja" else re.search("[ぁ-ん]", line) is None


def test_there_are_refusals_to_speak_of() -> None:
    assert len(OWN_CODES) > 20


def test_the_doors_own_sentence_is_told() -> None:
    refused = Refused("codes-wrong", title="誤りがあります。", title_en="One is wrong.", status=401)
    assert texts.line(refused, "ja") == "codes-wrong: 誤りがあります。"
    assert texts.line(refused, "en") == "codes-wrong: One is wrong."


def test_a_remedy_follows_where_the_door_names_none() -> None:
    refused = Refused("A0018", title="誤り。", title_en="The access key is wrong.", status=403)
    assert texts.line(refused, "en").endswith("Type the access key of the ID notice with which this certificate was retrieved.")


def test_a_code_that_nobody_knows_still_gives_a_line() -> None:
    assert texts.line(Refused("new-code"), "en") == "new-code: This was not possible."


def test_inputs_are_called_as_on_the_id_notice() -> None:
    assert "認証コード2" in texts.line(Refused("input-missing", field="auth_code_2"), "ja")


def test_dates_are_tokyos() -> None:
    assert texts.tokyo(datetime(2026, 11, 23, 15, 0, tzinfo=UTC)) == "2026/11/24 00:00:00"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("phase", Phase)
def test_every_phase_is_told(phase: Phase, language: Language) -> None:
    [(_, text)] = texts.told(Standing(Path("x"), phase), language)
    assert text != ""


@pytest.mark.parametrize("matches", [True, False, None])
def test_a_held_certificate_is_told_whole(*, matches: bool | None) -> None:
    instant = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    held = Standing(Path("x"), Phase.VALID, "99999W", "CN=x", "7f", instant, instant, matches)
    rows = dict(texts.told(held, "ja"))
    assert rows["論理端末名"] == "99999W"
    assert rows["開始"] == "2026/11/24 00:00:00(日本時間)"
    assert rows["鍵"] == {True: "一致", False: "一致しません", None: "未確認(パスフレーズなし)"}[matches]
