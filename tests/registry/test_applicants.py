import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import String

from registry.applicants import Contact, check_contact, contact_form
from registry.faults import Faults
from registry.tables import ApplicationRow

GOOD = {
    "family_name": ["通関"],
    "given_name": ["花子"],
    "family_kana": ["ツウカン"],
    "given_kana": ["ハナコ"],
    "department": ["第一通関部　通関課"],
    "title": ["係長"],
    "phone": ["0312345678"],
    "fax": ["0398765432"],
    "mail": ["hanako@example.jp"],
    "mail_again": ["hanako@example.jp"],
}
# Anything a browser or a script can send, lone surrogates and controls among it.
ANYTHING = st.text(st.characters(), max_size=80) | st.text("ｱﾊﾟﾞァあ－-０1 　@.a漢\u200b\ue000\ud800\x00\n", max_size=40)


def checked(**typed: str) -> Contact:
    contact = check_contact(GOOD | {name: [text] for name, text in typed.items()})
    assert isinstance(contact, Contact), contact
    return contact


def faults(**typed: str) -> dict[str, str]:
    found = check_contact(GOOD | {name: [text] for name, text in typed.items()})
    assert isinstance(found, Faults), found
    return {fault.field: fault.code for fault in found}


def test_the_reference_example_is_taken_as_it_is() -> None:
    assert contact_form(checked()) == GOOD


@pytest.mark.parametrize(
    ("field", "typed", "stored"),
    [
        ("family_kana", "ﾂｳｶﾝ", "ツウカン"),
        ("given_kana", "ｶﾞｯﾊﾟ", "ガッパ"),
        ("given_kana", "カ\u3099", "ガ"),
        ("family_name", " 通関　", "通関"),
        ("given_name", "花 \u3000子", "花　子"),
        ("given_name", "John", "Ｊｏｈｎ"),
        ("department", "第1営業部 2課", "第１営業部　２課"),
        ("department", "R&D部", "Ｒ＆Ｄ部"),
        ("phone", "03-1234-5678", "0312345678"),
        ("phone", "０３－１２３４－５６７８", "0312345678"),
        ("phone", "（03）1234 5678", "0312345678"),
        ("phone", "090ー1234ー5678", "09012345678"),
        ("fax", "", ""),
        ("title", "", ""),
        ("department", "　", ""),
        ("mail", "ｈａｎａｋｏ＠ｅｘａｍｐｌｅ．ｊｐ", "hanako@example.jp"),
        ("mail", " Hanako@EXAMPLE.jp ", "Hanako@example.jp"),
        ("mail", "hanako@例え.jp", "hanako@xn--r8jz45g.jp"),
    ],
)
def test_what_is_safe_to_put_right_is_put_right(field: str, typed: str, stored: str) -> None:
    pages = {field: typed} | ({"mail_again": typed} if field == "mail" else {})
    assert getattr(checked(**pages), field) == stored


@pytest.mark.parametrize(
    "name",
    ["\ufa11", "\ufa19谷", "葛\U000e0100城", "𠮷野", "々〆ヶ", "ノ瀬"],
)
def test_a_persons_own_form_of_a_character_is_kept(name: str) -> None:
    assert checked(family_name=name).family_name == name


@pytest.mark.parametrize(
    ("field", "typed", "code"),
    [
        ("family_name", "", "required"),
        ("given_name", "　", "required"),
        ("family_name", "通" * 21, "too-long"),
        ("family_name", "通\x00関", "character"),
        ("family_name", "通\n関", "character"),
        ("family_name", "通\u200b関", "character"),
        ("family_name", "通\u202e関", "character"),
        ("family_name", "通\ud800関", "character"),
        ("family_name", "通\ue000関", "character"),
        ("family_name", "\U000e0100", "character"),
        ("family_name", "花\U0001f338", "character"),
        ("family_name", "محمد", "full-width"),
        ("family_kana", "つうかん", "katakana"),
        ("family_kana", "通関", "katakana"),
        ("family_kana", "tsuukan", "katakana"),
        ("given_kana", "", "required"),
        ("given_kana", "ハナ-コ", "katakana"),
        ("department", "部\ufeff課", "character"),
        ("title", "長" * 41, "too-long"),
        ("phone", "", "required"),
        ("phone", "+81312345678", "phone-digits"),
        ("phone", "0312345678内線12", "phone-digits"),
        ("phone", "٠٣١٢٣٤٥٦٧٨", "phone-digits"),
        ("phone", "312345678", "phone-length"),
        ("phone", "1312345678", "phone-length"),
        ("phone", "031234567890", "phone-length"),
        ("fax", "12", "phone-length"),
        ("mail", "", "required"),
        ("mail", "hanako", "mail-invalid"),
        ("mail", "hanako@localhost", "mail-invalid"),
        ("mail", "花子@example.jp", "mail-invalid"),
        ("mail", "a@example.jp\r\nBcc: b@example.jp", "mail-invalid"),
        ("mail", "hanako@example.jp,taro@example.jp", "mail-invalid"),
        ("mail", "a" * 250 + "@example.jp", "too-long"),
        ("mail", "hanako@exa\ud800mple.jp", "mail-invalid"),
    ],
)
def test_what_is_not_safe_to_guess_is_refused_beside_its_field(field: str, typed: str, code: str) -> None:
    assert faults(**{field: typed})[field] == code


def test_the_second_mail_address_must_equal_the_first() -> None:
    assert faults(mail_again="hanako@example.com") == {"mail_again": "mail-differs"}
    assert faults(mail_again="") == {"mail_again": "mail-differs"}


def test_the_second_mail_address_may_be_typed_another_way() -> None:
    assert checked(mail_again="hanako@EXAMPLE.JP ").mail == "hanako@example.jp"


def test_an_empty_page_tells_all_that_is_required() -> None:
    found = check_contact({})
    assert isinstance(found, Faults)
    assert [fault.field for fault in found if fault.code == "required"] == [
        "family_name",
        "given_name",
        "family_kana",
        "given_kana",
        "phone",
        "mail",
    ]


@given(st.fixed_dictionaries({name: st.lists(ANYTHING, max_size=2) for name in GOOD}))
@example({name: ["\ud800"] for name in GOOD})
def test_whatever_is_typed_is_clean_or_a_fault(typed: dict[str, list[str]]) -> None:
    found = check_contact(typed)
    if isinstance(found, Contact):
        assert check_contact(contact_form(found)) == found
    else:
        assert all(fault.field in GOOD for fault in found)


@given(st.sampled_from(["family_name", "given_name", "family_kana", "department", "title", "phone", "fax"]), ANYTHING)
def test_what_is_taken_fits_its_column_and_can_be_printed(field: str, typed: str) -> None:
    found = check_contact(GOOD | {field: [typed]})
    if isinstance(found, Contact):
        stored: str = getattr(found, field)
        column = ApplicationRow.__table__.c[f"applicant_{field}"].type
        assert isinstance(column, String)
        assert len(stored) <= (column.length or 0)
        stored.encode()
        assert all(unicodedata.category(character)[0] != "C" for character in stored)
        again = check_contact(GOOD | {field: [stored]})
        assert isinstance(again, Contact)
        assert getattr(again, field) == stored


@given(st.text("アイウガパヴーヽ", min_size=1, max_size=20))
def test_half_width_kana_means_the_same_as_full_width(kana: str) -> None:
    halves = {"ガ": "ｶﾞ", "パ": "ﾊﾟ", "ヴ": "ｳﾞ", "ア": "ｱ", "イ": "ｲ", "ウ": "ｳ", "ー": "ｰ"}
    typed = "".join(halves.get(character, character) for character in kana)
    assert checked(given_kana=typed).given_kana == kana
