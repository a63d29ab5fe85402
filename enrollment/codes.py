"""The five inputs that a terminal redeems: how they are made, normalised, digested and sealed.

Access key: 12 random digits and a check digit. Code 1 follows from company and terminal, so it is no secret.
Codes 2 and 3: eleven symbols of 31, about 54 bits beyond the access key.
"""

import json
import secrets
import unicodedata
from dataclasses import dataclass, field

from kernel.errors import Refused
from keys.codes import CodeHasher, DataKey, Opener, Sealer, digests_match

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without 0 O 1 I L, which are misread
ACCESS_KEY_DIGITS = 13
CODE_2_LENGTH, CODE_3_LENGTH = 6, 5
# Longer than any honest input with all its separators; what exceeds it is not looked at.
LONGEST_INPUT = 64
_HYPHENS = str.maketrans(dict.fromkeys("‐‑‒–—―−ー", "-"))
_PARTS_OF_SECRET = ("auth_code_1", "auth_code_2", "auth_code_3", "office_code")
_SEPARATORS = str.maketrans(dict.fromkeys(" \t-‐‑‒–—―−ー_."))


@dataclass(frozen=True)
class Codes:
    """The five inputs in their normal form. The secret ones stay out of `repr`."""

    access_key: str = field(repr=False)
    auth_code_1: str
    auth_code_2: str = field(repr=False)
    auth_code_3: str = field(repr=False)
    office_code: str


def typed(*, access_key: str, auth_code_1: str, auth_code_2: str, auth_code_3: str, office_code: str) -> Codes:
    """Return the codes that somebody typed, in normal form, whatever the typing: case, width, blanks, hyphens.

    Raises Refused("input-invalid", field=…) for one that is empty, absurdly long or not text. Whether they are right is
    not told here.
    """
    inputs = {
        "access_key": access_key,
        "auth_code_1": auth_code_1,
        "auth_code_2": auth_code_2,
        "auth_code_3": auth_code_3,
        "office_code": office_code,
    }
    return Codes(**{name: _normal(name, value) for name, value in inputs.items()})


def typed_as_one(access_key: str, secret: str) -> Codes:
    """Return the codes where a protocol has one name and one secret: the access key, and `CODE1-CODE2-CODE3-OFFICE`.

    Raises Refused("input-invalid", field=…) like `typed`, and for field="secret" when it has not four parts.
    """
    is_short = len(secret) < (len(_PARTS_OF_SECRET) + 1) * LONGEST_INPUT
    parts = unicodedata.normalize("NFKC", secret).translate(_HYPHENS).split("-") if is_short else []
    if len(parts) != len(_PARTS_OF_SECRET):
        raise Refused("input-invalid", field="secret")
    return typed(access_key=access_key, **dict(zip(_PARTS_OF_SECRET, parts, strict=True)))


def normal_access_key(value: str) -> str:
    """Return an access key in normal form; raises Refused("input-invalid") like `typed`."""
    return _normal("access_key", value)


def _normal(name: str, value: str) -> str:
    if len(value) > LONGEST_INPUT:
        raise Refused("input-invalid", field=name)
    plain = unicodedata.normalize("NFKC", value).translate(_SEPARATORS).strip().upper()
    normal = unicodedata.normalize("NFKC", plain)  # an accent may have stood behind a blank; ASCII stays the same
    if not normal or not normal.isprintable():  # NUL, other controls, lone surrogates: nobody types these
        raise Refused("input-invalid", field=name)
    return normal


def generate(terminal: str, office_code: str) -> Codes:
    """Make new codes for a terminal."""
    # One number for all digits and one for all symbols: as even as one draw for each, at a fifth of the cost.
    digits = f"{secrets.randbelow(10 ** (ACCESS_KEY_DIGITS - 1)):0{ACCESS_KEY_DIGITS - 1}}"
    symbols = _symbols(CODE_2_LENGTH + CODE_3_LENGTH)
    return Codes(
        access_key=digits + check_digit(digits),
        auth_code_1=auth_code_1(terminal, office_code),
        auth_code_2=symbols[:CODE_2_LENGTH],
        auth_code_3=symbols[CODE_2_LENGTH:],
        office_code=office_code,
    )


def _symbols(count: int) -> str:
    number, symbols = secrets.randbelow(len(ALPHABET) ** count), []
    for _ in range(count):
        number, place = divmod(number, len(ALPHABET))
        symbols.append(ALPHABET[place])
    return "".join(symbols)


def auth_code_1(terminal: str, office_code: str) -> str:
    """Return the company's abbreviation and the last four characters of the terminal's name: NAC999W."""
    return office_code[:3] + terminal[-4:]


def check_digit(digits: str) -> str:
    """Return the Luhn digit (ISO/IEC 7812-1 annex B), so that a page can tell a mistyped access key at once."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - position % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 (the digit sum of a two-digit product)
    return str(-total % 10)


def access_key_digest(hasher: CodeHasher, access_key: str) -> bytes:
    """Return what a code set is found by."""
    return hasher.digest("access-key", access_key)


def codes_digest(hasher: CodeHasher, codes: Codes) -> bytes:
    """Return what the secret codes are checked by; bound to their access key."""
    return hasher.digest("auth-codes", codes.access_key, codes.auth_code_2, codes.auth_code_3)


def matches(hasher: CodeHasher, codes: Codes, *, terminal: str, office_code: str, digest: bytes) -> bool:
    """Return whether codes are those of a set, in the same time whichever part is wrong."""
    secret_fits = digests_match(codes_digest(hasher, codes), digest)
    office_fits = digests_match(codes.office_code.encode(), office_code.encode())
    first_fits = digests_match(codes.auth_code_1.encode(), auth_code_1(terminal, office_code).encode())
    return secret_fits & office_fits & first_fits


def seal(sealer: Sealer | DataKey, codes: Codes, code_set_id: str, terminal: str) -> bytes:
    """Return the copy that only the portal and the retrieval door can open, bound to its row."""
    plaintext = json.dumps(vars(codes)).encode()
    return sealer.seal(plaintext, _binding(code_set_id, terminal, codes.office_code))


def unseal(opener: Opener, sealed: bytes, *, code_set_id: str, terminal: str, office_code: str) -> Codes:
    """Open a sealed copy; raises keys.codes.UnsealingError when it belongs to another row."""
    content = json.loads(opener.open(sealed, _binding(code_set_id, terminal, office_code)))
    return Codes(**content)


def _binding(code_set_id: str, terminal: str, office_code: str) -> bytes:
    return f"tegata code set|{code_set_id}|{terminal}|{office_code}".encode()
