"""The five inputs, from a prompt, a file or standard input: so that they need not stand in the list of processes.

A mistyped access key is told by its check digit before anything is sent, so it costs none of the tries.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from enrollment import codes as code_rules
from enrollment.codes import Codes
from kernel.errors import Refused


@dataclass(frozen=True)
class Field:
    """One input: its name, what the ID notice calls it in both languages, and whether it is hidden while typed."""

    name: str
    japanese: str
    english: str
    secret: bool


FIELDS = (
    Field("access_key", "端末アクセスキー", "access key", secret=True),
    Field("auth_code_1", "認証コード1", "authentication code 1", secret=False),
    Field("auth_code_2", "認証コード2", "authentication code 2", secret=True),
    Field("auth_code_3", "認証コード3", "authentication code 3", secret=True),
    Field("office_code", "事業所コード", "office code", secret=False),
)
_BY_LABEL = {label: field.name for field in FIELDS for label in (field.name, field.japanese, field.english)}
# `認証コード1：NAC999W`, `access_key = 1234-5678-9012-3`
_LINE = re.compile(r"\s*([^:=]+?)\s*[:=]\s*(.*?)\s*")


def ask(prompt: Callable[[Field], str]) -> Codes:
    """Return the inputs that somebody types; raises as `from_values`."""
    return from_values({field.name: prompt(field) for field in FIELDS})


def parse(text: str) -> Codes:
    """Return the inputs of a file: a JSON object, or lines `name: value` with the names of the ID notice or of the API.

    Other fields are passed over, so that a line of `tegata demo codes --json` serves as it is. Raises
    Refused("inputs-malformed") and as `from_values`.
    """
    text = text.lstrip("\ufeff").strip()
    return from_values(_from_json(text) if text.startswith("{") else _from_lines(text))


def from_values(values: Mapping[str, str]) -> Codes:
    """Return inputs in their normal form.

    Raises Refused("input-missing", field=…), Refused("input-invalid", field=…), Refused("access-key-mistyped").
    """
    for field in FIELDS:
        if field.name not in values:
            raise Refused("input-missing", field=field.name)
    typed = code_rules.typed(
        access_key=values["access_key"],
        auth_code_1=values["auth_code_1"],
        auth_code_2=values["auth_code_2"],
        auth_code_3=values["auth_code_3"],
        office_code=values["office_code"],
    )
    digits = typed.access_key
    is_number = digits.isascii() and digits.isdecimal() and len(digits) == code_rules.ACCESS_KEY_DIGITS
    if not is_number or code_rules.check_digit(digits[:-1]) != digits[-1]:
        raise Refused("access-key-mistyped")
    return typed


def _from_json(text: str) -> dict[str, str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("inputs-malformed") from None
    if not isinstance(content, dict):
        raise Refused("inputs-malformed")
    found = {name: content[name] for name in (field.name for field in FIELDS) if name in content}
    for name, value in found.items():
        if not isinstance(value, str):
            raise Refused("input-invalid", field=name)
    return found


def _from_lines(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(unicodedata.normalize("NFKC", line))
        name = _BY_LABEL.get(match[1]) if match else None
        if match and name:
            if name in found:
                raise Refused("inputs-malformed")
            found[name] = match[2]
    return found
