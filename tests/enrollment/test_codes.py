import re
import unicodedata
from dataclasses import fields, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from enrollment import codes as code_rules
from enrollment.codes import ALPHABET, LONGEST_INPUT, Codes, typed
from kernel.errors import Refused
from keys.codes import CodeHasher, Opener, Sealer, UnsealingError

HASHER = CodeHasher(b"a secret of thirty-two octets ...")
CODES = Codes("1234567890128", "NAC999W", "23456Z", "ABCDE", "NAC001")
PRIVATE = X25519PrivateKey.generate()
SEALER, OPENER = Sealer(PRIVATE.public_key()), Opener(PRIVATE)
SEPARATORS = st.sampled_from(["", " ", "-", "\u3000", "ー", "－", "‐", "_", ".", "\t"])


@st.composite
def spellings(draw: st.DrawFn, normal: str) -> str:
    """Spell a code as people do: any case, any width, separators anywhere."""
    text = "".join(draw(SEPARATORS) + draw(st.sampled_from(_forms(letter))) for letter in normal) + draw(SEPARATORS)
    return text[:LONGEST_INPUT]


def _forms(letter: str) -> list[str]:
    narrow = [letter.upper(), letter.lower()]
    return narrow + [chr(ord(form) + 0xFEE0) for form in narrow]


@given(
    access_key=spellings(CODES.access_key),
    auth_code_1=spellings(CODES.auth_code_1),
    auth_code_2=spellings(CODES.auth_code_2),
    auth_code_3=spellings(CODES.auth_code_3),
    office_code=spellings(CODES.office_code),
)
def test_every_way_of_typing_the_codes_is_the_same(**inputs: str) -> None:
    assert typed(**inputs) == CODES


@given(st.text(max_size=LONGEST_INPUT))
def test_any_text_is_normalised_once_and_for_all_or_refused(text: str) -> None:
    try:
        normal = code_rules.normal_access_key(text)
    except Refused as refusal:
        assert str(refusal) == "input-invalid field=access_key"  # noqa: PT017 (either outcome is right)
        return
    assert normal.isprintable()
    assert unicodedata.is_normalized("NFKC", normal) or not normal.isascii()
    HASHER.digest("access-key", normal)


@pytest.mark.parametrize("value", ["", "   ", "-ー-", "1" * (LONGEST_INPUT + 1), "12\x00", "1\x1b[2J", "\ud800", "1\u202e2"])
@pytest.mark.parametrize("name", [item.name for item in fields(Codes)])
def test_what_is_empty_too_long_or_no_text_is_refused_by_its_field(name: str, value: str) -> None:
    inputs = {item.name: getattr(CODES, item.name) for item in fields(Codes)} | {name: value}
    with pytest.raises(Refused) as refused:
        typed(**inputs)
    assert (refused.value.code, refused.value.facts) == ("input-invalid", {"field": name})


def test_generated_codes_have_their_widths_and_alphabets() -> None:
    for _ in range(500):
        codes = code_rules.generate("99999W", "NAC001")
        assert re.fullmatch(r"[0-9]{13}", codes.access_key)
        assert code_rules.check_digit(codes.access_key[:-1]) == codes.access_key[-1]
        assert codes.auth_code_1 == "NAC999W"
        assert re.fullmatch(f"[{ALPHABET}]{{6}}", codes.auth_code_2)
        assert re.fullmatch(f"[{ALPHABET}]{{5}}", codes.auth_code_3)
        assert codes.office_code == "NAC001"


def test_the_alphabet_has_none_of_the_letters_that_are_misread() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 31
    assert not set("0O1IL") & set(ALPHABET)


def test_generated_codes_differ_and_use_their_whole_alphabet() -> None:
    made = [code_rules.generate("99999W", "NAC001") for _ in range(500)]
    assert len({codes.access_key for codes in made}) == 500
    assert set("".join(codes.auth_code_2 + codes.auth_code_3 for codes in made)) == set(ALPHABET)


# The example of ISO/IEC 7812-1 annex B, and two that are easily done by hand.
@pytest.mark.parametrize(("digits", "check"), [("7992739871", "3"), ("0", "0"), ("000000000001", "8")])
def test_the_check_digit_is_luhns(digits: str, check: str) -> None:
    assert code_rules.check_digit(digits) == check


@given(st.text("0123456789", min_size=12, max_size=12), st.integers(0, 12), st.sampled_from("0123456789"))
def test_one_mistyped_digit_is_always_seen(digits: str, place: int, other: str) -> None:
    key = digits + code_rules.check_digit(digits)
    mistyped = key[:place] + other + key[place + 1 :]
    assert (code_rules.check_digit(mistyped[:-1]) == mistyped[-1]) == (mistyped == key)


@pytest.mark.parametrize("name", ["access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code"])
def test_any_wrong_part_is_wrong(name: str) -> None:
    digest = code_rules.codes_digest(HASHER, CODES)
    wrong = replace(CODES, **{name: "WRONG"})
    assert code_rules.matches(HASHER, CODES, terminal="99999W", office_code="NAC001", digest=digest)
    assert not code_rules.matches(HASHER, wrong, terminal="99999W", office_code="NAC001", digest=digest)


def test_letters_cannot_move_from_one_code_into_the_next() -> None:
    moved = replace(CODES, auth_code_2=CODES.auth_code_2 + "A", auth_code_3=CODES.auth_code_3[1:])
    assert code_rules.codes_digest(HASHER, moved) != code_rules.codes_digest(HASHER, CODES)


def test_digests_depend_on_the_key_and_on_what_they_are_for() -> None:
    other = CodeHasher(b"another secret of 32 octets .....")
    assert code_rules.access_key_digest(HASHER, "1") != code_rules.access_key_digest(other, "1")
    assert code_rules.access_key_digest(HASHER, "1") != HASHER.digest("auth-codes", "1")
    assert len(code_rules.access_key_digest(HASHER, "1")) == 32


def test_a_sealed_copy_opens_for_its_own_row_only() -> None:
    sealed = code_rules.seal(SEALER, CODES, "row", "99999W")
    assert code_rules.unseal(OPENER, sealed, code_set_id="row", terminal="99999W", office_code="NAC001") == CODES
    for other in ({"code_set_id": "other"}, {"terminal": "99998W"}, {"office_code": "NAC002"}):
        row = {"code_set_id": "row", "terminal": "99999W", "office_code": "NAC001"} | other
        with pytest.raises(UnsealingError):
            code_rules.unseal(OPENER, sealed, **row)


def test_a_sealed_copy_opens_with_its_own_key_only_and_tells_nothing() -> None:
    sealed = code_rules.seal(SEALER, CODES, "row", "99999W")
    with pytest.raises(UnsealingError):
        code_rules.unseal(Opener(X25519PrivateKey.generate()), sealed, code_set_id="row", terminal="99999W", office_code="NAC001")
    assert CODES.access_key.encode() not in sealed
    assert sealed != code_rules.seal(SEALER, CODES, "row", "99999W")


def test_secrets_stay_out_of_texts() -> None:
    shown = repr(CODES) + str(CODES) + repr(HASHER)
    assert not any(secret in shown for secret in (CODES.access_key, CODES.auth_code_2, CODES.auth_code_3, "thirty-two"))


@pytest.mark.parametrize(
    "secret", ["NAC999W-23456Z-ABCDE-NAC001", "nac999w－23456z‐abcde−nac001", " NAC999W - 23456Z - ABCDE - NAC001 "]
)
def test_codes_may_come_as_a_name_and_one_secret(secret: str) -> None:
    assert code_rules.typed_as_one("1234 5678 9012 8", secret) == CODES


@pytest.mark.parametrize("secret", ["", "NAC999W", "NAC999W-23456Z-ABCDE", "NAC999W-23456Z-ABCDE-NAC001-", "---", "-" * 5_000])
def test_a_secret_that_has_not_four_parts_is_told(secret: str) -> None:
    with pytest.raises(Refused, match="input-invalid"):
        code_rules.typed_as_one("1234567890128", secret)
