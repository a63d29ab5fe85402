"""The small markup: what it makes of typed texts, and that nothing else ever becomes HTML."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.markup import render

KNOWN = re.compile(
    r'</?(?:h[2-6]|p|ul|ol|li|strong|code|pre)>|<ol start="\d+">|<br>|<pre class="command">|<a href="(?:https?://|/)[^"]*">|</a>'
)


def test_blocks_are_headings_lists_commands_and_paragraphs() -> None:
    text = "## 予定\n前文\n二行目\n- 一\n- 二\n  続き\n\n1. 先\n2. 後\n\n    tegata terminal renew\n    --force\n\n### 小"
    assert render(text).split("\n", 5) == [
        "<h2>予定</h2>",
        "<p>前文<br>二行目</p>",
        "<ul><li>一</li><li>二 続き</li></ul>",
        "<ol><li>先</li><li>後</li></ol>",
        '<pre class="command">tegata terminal renew',
        "--force</pre>\n<h3>小</h3>",
    ]


def test_a_numbered_list_goes_on_after_a_command() -> None:
    assert re.findall(r"<ol[^>]*>", render("1. a\n\n    b\n\n2. c\n3. d")) == ["<ol>", '<ol start="2">']


def test_pieces_are_links_stress_and_code() -> None:
    html = render("[案内](https://example.jp/a?b=1&c=2)と**大切**、`E111`。https://example.jp/x。")
    assert html == (
        '<p><a href="https://example.jp/a?b=1&amp;c=2">案内</a>と<strong>大切</strong>、<code>E111</code>。'
        '<a href="https://example.jp/x">https://example.jp/x</a>。</p>'
    )


def test_paths_of_ours_may_be_given_a_door() -> None:
    html = render("[更新](/bulletin/manuals/renewal)", lambda address: f"https://portal.example.jp{address}")
    assert 'href="https://portal.example.jp/bulletin/manuals/renewal"' in html


@pytest.mark.parametrize(
    "text",
    [
        "[x](javascript:alert(1))",
        "[x](//example.com/)",
        "[x](/\\example.com)",
        "[x](data:text/html,x)",
        '[x](https://a"onclick="b)',
        "<script>alert(1)</script>",
        "**<b>**",
        '`"><img src=x>`',
    ],
)
def test_what_is_not_known_stays_text(text: str) -> None:
    assert not re.search(r"<(?:script|img|b)|onclick=\"|href=\"(?:java|data|//|/\\)", render(text))


@pytest.mark.parametrize(("text", "levels"), [("### a", "2"), ("# a\n### b\n### c\n## d", "2332"), ("## a\n# b", "22")])
def test_headings_skip_no_level(text: str, levels: str) -> None:
    assert "".join(re.findall(r"<h(\d)>", render(text))) == levels
    assert "".join(re.findall(r"<h(\d)>", render(text, top=3))) == "".join(str(int(level) + 1) for level in levels)


@pytest.mark.parametrize("text", ["-5度", "1.5倍", "*", "2026", "**一**です"])
def test_what_only_looks_like_an_item_is_text(text: str) -> None:
    assert "<li>" not in render(text)


@given(st.text(alphabet=" \n-*#`[]()<>\"'&/\\:.1ahtps・", max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_is_typed_only_the_known_tags_come_out(text: str) -> None:
    assert not re.search(r"[<>]", KNOWN.sub("", render(text)))
