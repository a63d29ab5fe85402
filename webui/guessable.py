"""Passwords that are guessed before any other: common ones, and those that consist of words, rows of keys and numbers.

NIST SP 800-63B-4, section 3.1.1.2: a new password is compared with a list of what is common, expected or compromised.
Length alone does not do: `password1234` has twelve characters.
"""

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

_LISTS = tomllib.loads(Path(__file__).with_name("guessable.toml").read_text(encoding="utf-8"))
WORDS: frozenset[str] = frozenset(_LISTS["words"].split())
# Of common passwords only their SHA-256 stands here: among them are names, and words that nobody wants to read.
COMMON: frozenset[str] = frozenset(_LISTS["common"].split())
DIGEST_DIGITS = 16

# So many characters must be left when all that attackers expect is taken away.
OWN_LEAST = 6
_ROW = 4
_SHORTEST_NAME = 3
# A date, a telephone number or a year is worth hardly more than its two first digits.
_NUMBER = re.compile(r"(\d\d)\d+")
_REPEATED = re.compile(r"(.+?)\1+")
_ONE_PART = re.compile(r"(.{1,10}?)\1+")
_NAME_PARTS = re.compile(r"[^\W_]+")
# Runs of one script: in 横浜通関サービス nothing else parts the words.
_RUNS = re.compile(r"[a-z0-9]+|[\u30a1-\u30ff]+|[\u3041-\u309f]+|[^\W\u3041-\u30ff_a-z0-9]+")
# Every company has one of them, and nobody types it.
_FORMS = re.compile("株式会社|有限会社|合同会社|合資会社|合名会社|事業所|営業所|支店|本社")
_DISGUISES = str.maketrans("@4310$57!|", "aaeiosstil")
_STEPS = frozenset(
    row[at : at + _ROW]
    for line in _LISTS["rows"].split()
    for row in (line, line[::-1])
    for at in range(len(row) - _ROW + 1)
)  # fmt: skip


def is_guessable(password: str, names: Iterable[str] = ()) -> bool:
    """Tell whether a password (in NFKC) is common, repeats one part, or has too little of its own.

    That is what is left without words, rows of keys, numbers and `names`.

    `names` are the account's: log-in name, office code, address, what office and service are called; their parts count as words.
    """
    plain = password.casefold()
    if digest(plain) in COMMON or _ONE_PART.fullmatch(plain):
        return True
    own = _without(plain, WORDS | frozenset(_parts(names)))
    return len(_REPEATED.sub(r"\1", _NUMBER.sub(r"\1", own))) < OWN_LEAST


def digest(plain: str) -> str:
    """Return how a common password, in small letters, is listed."""
    return hashlib.sha256(plain.encode()).hexdigest()[:DIGEST_DIGITS]


def _parts(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        plain = unicodedata.normalize("NFKC", name).casefold()
        own = _FORMS.sub(" ", plain)
        parts = _NAME_PARTS.findall(plain) + _NAME_PARTS.findall(own) + _RUNS.findall(own)
        yield from (part for part in parts if len(part) >= _SHORTEST_NAME)


def _without(plain: str, words: frozenset[str]) -> str:
    """Return the letters and digits of a text that belong to no word, in disguise or not, and to no row."""
    joined = "".join(character for character in plain if character.isalnum() or ord(character) in _DISGUISES)
    expected = {at for text in (joined, joined.translate(_DISGUISES)) for at in _places(text, words)}
    expected.update(at + step for at in range(len(joined)) if joined[at : at + _ROW] in _STEPS for step in range(_ROW))
    return "".join(character for at, character in enumerate(joined) if at not in expected and character.isalnum())


def _places(text: str, words: frozenset[str]) -> Iterator[int]:
    for word in words:
        at = text.find(word)
        while at >= 0:
            yield from range(at, at + len(word))
            at = text.find(word, at + 1)
