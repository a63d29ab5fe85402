import json

import pytest

from enrollment import codes as code_rules
from enrollment.client import inputs
from kernel.errors import Refused

CODES = code_rules.generate("99999W", "NAC001")
VALUES = {field.name: getattr(CODES, field.name) for field in inputs.FIELDS}


def _lines(values: dict[str, str], separator: str = ": ") -> str:
    return "\n".join(f"{name}{separator}{value}" for name, value in values.items())


def _code(text: str) -> str | None:
    try:
        inputs.parse(text)
    except Refused as refused:
        return refused.code
    return None


def test_a_line_of_demo_codes_serves_as_it_is() -> None:
    line = json.dumps({"terminal": "99999W"} | VALUES | {"start_date": "2026-11-24"})
    assert inputs.parse(line + "\n") == CODES


@pytest.mark.parametrize("separator", [": ", "=", " = ", "：", "　：　"])
def test_lines_are_read_with_the_names_of_the_api(separator: str) -> None:
    assert inputs.parse(_lines(VALUES, separator)) == CODES


def test_lines_are_read_as_they_stand_on_the_id_notice() -> None:
    notice = {field.japanese: VALUES[field.name] for field in inputs.FIELDS}
    assert inputs.parse("ID通知内容\n\n論理端末名：99999W\n" + _lines(notice, "：")) == CODES
    wide = notice | {"認証コード２": notice["認証コード2"]}
    del wide["認証コード2"]
    assert inputs.parse(_lines(wide, "：")) == CODES


def test_case_width_blanks_and_hyphens_do_not_matter() -> None:
    key = CODES.access_key
    typed = VALUES | {
        "access_key": f" {key[:4]}-{key[4:8]} {key[8:]} ",
        "auth_code_1": CODES.auth_code_1.lower(),
        "office_code": "ＮＡＣ００１",
    }
    assert inputs.parse(_lines(typed)) == CODES


def test_a_byte_order_mark_is_passed_over() -> None:
    assert inputs.parse("\ufeff" + _lines(VALUES)) == CODES


def test_what_is_typed_at_a_prompt_is_asked_for_in_order() -> None:
    asked: list[str] = []

    def prompt(field: inputs.Field) -> str:
        asked.append(field.name)
        return str(VALUES[field.name])

    assert inputs.ask(prompt) == CODES
    assert asked == ["access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code"]


@pytest.mark.parametrize("name", VALUES)
def test_a_missing_input_is_named(name: str) -> None:
    left = {other: value for other, value in VALUES.items() if other != name}
    for text in (_lines(left), json.dumps(left)):
        with pytest.raises(Refused, match=f"input-missing field={name}"):
            inputs.parse(text)


@pytest.mark.parametrize("value", ["", "   ", "x" * 65])
def test_an_empty_or_absurd_input_is_named(value: str) -> None:
    with pytest.raises(Refused, match="input-invalid field=auth_code_2"):
        inputs.parse(json.dumps(VALUES | {"auth_code_2": value}))


@pytest.mark.parametrize("position", range(13))
def test_one_wrong_digit_of_the_access_key_is_told_before_anything_is_sent(position: int) -> None:
    key = CODES.access_key
    wrong = key[:position] + str((int(key[position]) + 1) % 10) + key[position + 1 :]
    assert _code(json.dumps(VALUES | {"access_key": wrong})) == "access-key-mistyped"


@pytest.mark.parametrize("wrong", ["123", "12345678901234", "ABCDEFGHIJKLM", "①②③④⑤⑥⑦⑧⑨①②③④"])
def test_what_is_no_access_key_is_told(wrong: str) -> None:
    assert _code(json.dumps(VALUES | {"access_key": wrong})) == "access-key-mistyped"


@pytest.mark.parametrize(
    "text",
    ["{", "{]", '{"access_key": 1}', "{" * 100_000, _lines(VALUES) + "\naccess_key: 1", json.dumps(VALUES) * 2],
    ids=["cut", "broken", "number", "deep", "twice", "two lines"],
)
def test_a_file_that_is_none_is_refused(text: str) -> None:
    assert _code(text) in {"inputs-malformed", "input-invalid"}


def test_secrets_stay_out_of_repr() -> None:
    codes = inputs.parse(_lines(VALUES))
    for secret in (codes.access_key, codes.auth_code_2, codes.auth_code_3):
        assert secret not in repr(codes)
