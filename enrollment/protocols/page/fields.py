"""The five inputs as a form: labels, examples, and what can be told wrong without asking whether the codes are right.

The same patterns judge in the browser while somebody types and here, for those without script: a slip of the pen costs no try.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from enrollment import codes as code_rules
from enrollment.codes import Codes
from enrollment.protocols.page.texts import mark
from kernel.errors import Refused


@dataclass(frozen=True)
class Field:
    """One input; `pattern` judges its normal form. A secret one is never sent back to the browser."""

    name: str
    label: str
    hint: str
    pattern: str
    wrong: str
    secret: bool = True
    numeric: bool = False


_SYMBOL = f"[{code_rules.ALPHABET}]"
FIELDS = (
    Field(
        "access_key",
        mark("端末アクセスキー"),
        mark("数字13桁"),
        f"[0-9]{{{code_rules.ACCESS_KEY_DIGITS}}}",
        mark("数字13桁で入力してください。"),
        numeric=True,
    ),
    Field(
        "auth_code_1",
        mark("認証コード1"),
        mark("例: NAC999W"),
        "[A-Z]{3}[0-9]{3}[A-Z]",
        mark("英字3文字、数字3文字、英字1文字で入力してください。"),
        secret=False,
    ),
    Field(
        "auth_code_2",
        mark("認証コード2"),
        mark("英数字6文字(0、O、1、I、Lは使われません)"),
        f"{_SYMBOL}{{{code_rules.CODE_2_LENGTH}}}",
        mark("英数字6文字で入力してください。0、O、1、I、Lは使われません。"),
    ),
    Field(
        "auth_code_3",
        mark("認証コード3"),
        mark("英数字5文字(0、O、1、I、Lは使われません)"),
        f"{_SYMBOL}{{{code_rules.CODE_3_LENGTH}}}",
        mark("英数字5文字で入力してください。0、O、1、I、Lは使われません。"),
    ),
    Field(
        "office_code",
        mark("事業所コード"),
        mark("例: NAC001"),
        "[A-Z]{3}[0-9]{3}",
        mark("英字3文字と数字3文字で入力してください。"),
        secret=False,
    ),
)
REQUIRED = mark("入力してください。")
CHECK_DIGIT = mark("数字に誤りがあります。ID通知内容と1桁ずつ比べてください。")
OFFICE_DIFFERS = mark("認証コード1と事業所コードの先頭3文字が一致しません。")


def read(typed: Mapping[str, str]) -> tuple[Codes | None, Mapping[str, str]]:
    """Return the codes in normal form, or None and what is wrong, as texts of the catalogue by the fields' names."""
    normal, faults = {}, {}
    for field in FIELDS:
        value = _normal(typed.get(field.name, ""))
        if value and re.fullmatch(field.pattern, value):
            normal[field.name] = value
        else:
            faults[field.name] = field.wrong if value else REQUIRED
    key = normal.get("access_key", "")
    if key and code_rules.check_digit(key[:-1]) != key[-1]:
        faults["access_key"] = CHECK_DIGIT
    first, office = normal.get("auth_code_1"), normal.get("office_code")
    if first and office and first[:3] != office[:3]:
        faults["office_code"] = OFFICE_DIFFERS
    return (None if faults else Codes(**normal)), faults


def known(office_code: str, terminal: str) -> Mapping[str, str]:
    """Return what a link may fill in beforehand: the office code, and auth code 1, which follows from it and the terminal."""
    office = next(field for field in FIELDS if field.name == "office_code")
    if not re.fullmatch(office.pattern, office_code):
        return {}
    if not re.fullmatch("[0-9]{5}[A-Z]", terminal):
        return {"office_code": office_code}
    return {"office_code": office_code, "auth_code_1": code_rules.auth_code_1(terminal, office_code)}


def _normal(value: str) -> str:
    """Return an input's normal form; "" for one that nobody types."""
    try:
        return code_rules.normal_access_key(value)
    except Refused:
        return ""
