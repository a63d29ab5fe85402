"""Names of sent files: whatever is sent, a harmless label comes out."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.attachments.names import MOST, OCTETS, clean_name, extension_of

PIECES = st.sampled_from(
    ["..", "/", "\\", "CON", "nul", ".pdf", ".", " ", "\u202e", "\x00", "葛\U000e0100", "が", "か\u3099", "😀", "a" * 120]
)
ANY = st.text() | st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("見積書.pdf", "見積書.pdf"),
        ("C:\\Users\\hanako\\申込.xlsx", "申込.xlsx"),
        ("../../etc/passwd", "passwd"),
        ("/etc/../a.txt", "a.txt"),
        ("請求\u202efdp.exe", "請求fdp.exe"),
        ("a\x00b\r\nc.pdf", "ab c.pdf"),
        ("CON.pdf", "_CON.pdf"),
        ("nul", "_nul"),
        ("com1.tar.csv", "_com1.tar.csv"),
        ("COM10.csv", "COM10.csv"),
        (".htaccess", "htaccess"),
        ("", "file"),
        (" . . ", "file"),
        ("a<b>:c?.pdf", "a_b__c_.pdf"),
        ("か\u3099.txt", "が.txt"),
        ("名前 😀.pdf", "名前.pdf"),
        ("long" * 60 + ".pdf", ("long" * 60)[: MOST - 4] + ".pdf"),
    ],
)
def test_names_become_harmless(sent: str, kept: str) -> None:
    assert clean_name(sent) == kept


@given(ANY)
@settings(max_examples=400)
@example("\ud800.pdf")
@example("CON .pdf")
@example("a." * 200)
@example(". /.pdf")
def test_whatever_is_sent_the_name_is_short_visible_and_no_path(sent: str) -> None:
    name = clean_name(sent)
    assert 0 < len(name) <= MOST
    assert len(name.encode()) <= OCTETS
    assert not set(name) & set('/\\<>:"|?*')
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert all(unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for character in name)
    assert name.partition(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    assert clean_name(name) == name


@given(st.text(max_size=300), st.sampled_from(["pdf", "PDF", "jpeg", "csv"]))
@settings(max_examples=100)
def test_an_extension_survives(stem: str, extension: str) -> None:
    assert extension_of(clean_name(f"{stem}x.{extension}")) == extension.lower()
