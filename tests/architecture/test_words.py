"""docs/words.md: what people read in Japanese is spelled one way, whoever wrote it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tests.support.schema import ROOMS, ROOT

JAPANESE = r"[\u3040-\u30ff\u4e00-\u9fff]"
# What docs/words.md rejects, and what to write.
REJECTED = {
    rf"(?<={JAPANESE})PC|PC(?={JAPANESE})": "パソコン",
    r"ターミナル": "端末",
    r"端末(から|での)?ログ(イン|アウト)|ログイン中の端末": "ブラウザー",
    r"(?<!した)利用者(?!コード|ID|認証|証明)": "ユーザー",
    r"申込み": "申込",
    r"(?<!電子)申請": "申込",
    r"再発行(を|の)依頼|依頼(日時|した人|の内容)": "申込",
    r"取り下げ(?![るらてまたず])|取消(?!し)|入れ替え(は|の|に|を)": "取下げ, 取消し, 入替え",
    r"掲示版|ニュース": "掲示板, 新着情報",
    r"[EＥ]メール|電子メール(?!型)": "メール",
    r"(?<!て)(?<!な)(?<!た)(?<!し)いま(?=すぐ|の|は|まで|使|ログオン|必要|、)": "今",
    r"下さ[いる]|全て|又は|及び|出来[るなま]|既に|分か[りるらっ]|予め|お客さま|問合せ|ただちに|ともな[いう]": "see docs/words.md",
    r"(ブラウザ|サーバ|フォルダ|コンピュータ|ユーザ)(?!ー)": "a long vowel",
    r"[0-9](ヶ|カ|ケ|箇)月": "か月",
    r"〜": "～",
}
SCREEN_ONLY = {r"：": ": "}
BRACKETS = {r"[（）]": "()"}
SUSPECT = re.compile("|".join([*REJECTED, *SCREEN_ONLY, *BRACKETS]))
# Typeset documents have signs of full width; these files read both, or name the columns of files.
OF_FULL_WIDTH = (
    "enrollment/documents/",
    "registry/japanese.py",
    "registry/office_files.py",
    "registry/billing/usage_files.py",
    "webui/months.py",
)
# Not read by people but by the guard against guessable passwords.
NOT_READ = ("webui/guessable.toml", "enrollment/codes.py", "enrollment/protocols/json_bodies.py", "webui/spreadsheets.py")
MAILS = re.compile(r"letters\.py$|mail_words\.py$|/accounts/|/factors/|demo_notices|^enrollment/|^registry/|^server/")


def _strings(path: Path) -> Iterator[str]:
    """Give the strings of a module that is not documentation, f-strings with … for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (told | parts):
            yield node.value


def _texts() -> Iterator[tuple[str, str]]:
    """Give what is said in Japanese, line by line, with where it stands."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if name in NOT_READ:
                continue
            if path.suffix == ".py":
                pieces = _strings(path)
            elif path.suffix == ".po":
                with path.open("rb") as file:
                    pieces = iter([str(one.id if isinstance(one.id, str) else one.id[0]) for one in read_po(file)])
            elif path.suffix in {".html", ".toml", ".typ", ".ps1"}:
                pieces = iter([path.read_text(encoding="utf-8")])
            else:
                continue
            for piece in pieces:
                for line in piece.splitlines():
                    if re.search(JAPANESE, line):
                        yield name, line


def faults(name: str, line: str) -> list[str]:
    """Return what of a line is spelled otherwise."""
    if not SUSPECT.search(line):
        return []
    wanted = dict(REJECTED)
    if not name.startswith(OF_FULL_WIDTH):
        wanted |= BRACKETS
    if not MAILS.search(name) and not name.startswith(OF_FULL_WIDTH) and not name.endswith(".toml"):
        wanted |= SCREEN_ONLY
    return [
        f"{name}: {found[0]} → {instead}: {line.strip()}" for form, instead in wanted.items() for found in re.finditer(form, line)
    ]


def test_what_people_read_is_spelled_as_documented() -> None:
    texts = list(_texts())
    assert len(texts) > 3_000
    assert not (found := [fault for name, line in texts for fault in faults(name, line)]), "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "使うPCで取得します。",
        "PCを入れ替えた",
        "ログイン中の端末",
        "利用者を招待する",
        "再発行を申請する",
        "再発行を依頼する",
        "お申込みのありました",
        "申込の取消を受け付けました",
        "この端末は、いまログオンできません",
        "いますぐ失効させる",
        "ご確認下さい",
        "ブラウザで開く",
        "2ヶ月",
        "申込（変更）",
        "理由：その他",
        "1〜3",
    ],
)
def test_what_was_rejected_would_be_found(line: str) -> None:
    assert faults("webui/portal/templates/planted.html", line)


@pytest.mark.parametrize(
    "line",
    [
        "有効期限が切れています。ただいま混み合っています。",
        "再発行をお申し込みください。",
        "利用者コード(追加・変更・削除)、利用者認証センター",
        "追加した利用者を確認してください。",
        "取得または更新されないまま停止します。",
        "申込を取り下げました。取り下げると元に戻せません。",
    ],
)
def test_what_is_right_is_left_alone(line: str) -> None:
    assert not faults("webui/portal/templates/planted.html", line)


def test_the_page_of_words_names_what_is_kept() -> None:
    page = (ROOT / "docs" / "words.md").read_text(encoding="utf-8")
    for word in ("パソコン", "ユーザー", "申込", "取下げ", "今", "ブラウザー", "～", "`()`", "2026/12/10"):
        assert word in page
