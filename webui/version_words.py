"""What corrections changed, in the reader's language."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from registry.applications.versions import ABOLISHED, Difference
from registry.forms import FORMS
from registry.items import TERMINALS
from registry.states import DeviceClass, SystemClass
from webui.texts import gettext, language, mark, say, show_day
from webui.words import DEVICE_CLASSES, SYSTEM_CLASSES, field_name, item_name, told_value

APPLICANT_FIELDS: Mapping[str, str] = {
    "family_name": mark("姓"),
    "given_name": mark("名"),
    "family_kana": mark("姓(フリガナ)"),
    "given_kana": mark("名(フリガナ)"),
    "department": mark("所属部署名"),
    "title": mark("役職名"),
    "phone": mark("電話番号"),
    "fax": mark("FAX番号"),
    "mail": mark("E-mailアドレス"),
}
_REMARKS = mark("備考")
_PLACES: Mapping[str, str] = {"choice": mark("変更項目と希望日"), "applicant": mark("申込担当者"), "remarks": _REMARKS}
_CHOICE: Mapping[str, str] = {"items": mark("変更項目"), "wished_start": mark("利用開始希望日")}


@dataclass(frozen=True)
class DifferenceWords:
    """A difference in words: on which page, of what, from what to what; an empty text is "nothing"."""

    place: str
    what: str
    before: str
    after: str


def difference_words(one: Difference) -> DifferenceWords:
    """Return a difference in the reader's language."""
    place = gettext(_PLACES[one.place]) if one.place in _PLACES else item_name(one.place)
    return DifferenceWords(place, _what(one), _value(one, one.before), _value(one, one.after))


def _what(one: Difference) -> str:
    if one.place == "choice":
        return gettext(_CHOICE[one.field])
    if one.place == "applicant":
        return gettext(APPLICANT_FIELDS[one.field])
    if one.place == "remarks":
        return gettext(_REMARKS)
    if one.place == TERMINALS:
        return _terminals(one)
    label = gettext(mark("登録")) if one.field == "delete" else field_name(one.place, one.field)
    return f"{_row(one)} {label}".strip()


def _terminals(one: Difference) -> str:
    if one.field == "becomes":
        return say(mark("端末%(terminal)s"), terminal=one.row)
    device, _, system = one.row.partition(".")
    kind = f"{DEVICE_CLASSES[DeviceClass(device)]} {gettext(SYSTEM_CLASSES[SystemClass(system)])}"
    return say(mark("追加する台数 %(kind)s"), kind=kind)


def _row(one: Difference) -> str:
    """Return what names a row of an item's list: its names in words, or that it is a new one."""
    if one.row.startswith("+"):
        return say(mark("追加 %(number)s"), number=one.row.removeprefix("+"))
    names = FORMS[one.place].names
    values = one.row.split(" ") if one.row else []
    if len(values) != len(names):
        return one.row
    return " ".join(FORMS[one.place].field(name).tell(value, language()) for name, value in zip(names, values, strict=True))


def _value(one: Difference, value: str) -> str:
    if not value:
        return gettext(mark("変更しない")) if one.field == "becomes" else ""
    tell = _TOLD.get((one.place, one.field))
    if tell is not None:
        return tell(value)
    if one.place in _PLACES:
        return value
    return gettext(mark("削除")) if one.field == "delete" else told_value(one.place, one.field, value)


def _class(value: str) -> str:
    return gettext(mark("廃止")) if value == ABOLISHED else gettext(SYSTEM_CLASSES[SystemClass(value)])


_TOLD: Mapping[tuple[str, str], Callable[[str], str]] = {
    ("choice", "items"): lambda value: "\n".join(item_name(code) for code in value.split(",")),
    ("choice", "wished_start"): lambda value: show_day(date.fromisoformat(value)),
    (TERMINALS, "count"): lambda value: say(mark("%(count)s台"), count=value),
    (TERMINALS, "becomes"): _class,
}
