"""The page of one change item: what the contract says now, filled in to be written over; one view for all `registry.forms`."""

from collections.abc import Iterator
from dataclasses import dataclass

import flask
from werkzeug.wrappers import Response

from registry import proposals
from registry.changes import NEW_MOST, Row, Values, lacks_owned, name_of, new_refs, prefilled
from registry.drafts import Kind
from registry.fields import Choice, Field, Owned
from registry.forms import FORMS, Edit, Form
from registry.items import EXCLUSIVE, ITEMS
from registry.paging import SIZE
from registry.rows import changed, revised
from webui import guard
from webui.accounts import Right
from webui.portal import turning, wizard
from webui.portal.kinds import KindBlueprint, kind
from webui.sheet import Sheet
from webui.texts import gettext, language, mark, say

blueprint = KindBlueprint("item_pages", __name__)

# Blank rows to begin with, and when more are asked for.
_SPARE, _MORE = 1, 4
# Of a long list a page shows so many rows, where each has several fields.
_OPEN_ROWS = 20
# So few options stand side by side.
_RADIOS_MOST = 4


@dataclass(frozen=True)
class PageField:
    """A field as the page shows it. `widget` is line, area, radios or select; `choices` are pairs of code and words.

    A line may have `suggestions`: the id of the list of what can be typed.
    """

    name: str
    label: str
    hint: str
    widget: str
    required: bool | None
    choices: tuple[tuple[str, str], ...] = ()
    most: int = 0
    suggestions: str = ""


@dataclass(frozen=True)
class PageRow:
    """A row as the page shows it; a form's only one has no legend."""

    ref: str
    legend: str
    fields: tuple[PageField, ...]
    delete: str = ""
    is_deleted: bool = False


@blueprint.get("/items/<item>")
@guard.customer(right=Right.APPLY)
def show(item: str) -> str:
    """Show an item's page; of a long list, a page of its rows."""
    present = _at(item)
    offered = _offered(item, present)
    form, listed = FORMS[item], present.situation.present.get(item, ())
    part = _part(item, present) if turning.is_long(listed) else None
    shown = tuple(row for row in listed if part is None or row.ref in part.refs)
    rows = tuple(_rows(item, present, shown, offered))
    before = {name: texts[0] for name, texts in prefilled(item, {item: shown}).items()}
    sheet = turning.sheet_of(present, item, part)
    labels = {field.name: f"{row.legend} {field.label}".strip() for row in rows for field in row.fields}
    labels |= {row.delete: row.legend for row in rows if row.delete}
    return flask.render_template(
        "apply-item.html",
        present=present,
        steps=wizard.steps(),
        item=item,
        form=form,
        rows=rows,
        part=part,
        labels=labels,
        sheet=Sheet({**before, **sheet.values}, sheet.faults),
        suggestions={f"own-{other}": values for other, values in offered.items() if _is_suggested(values)},
        siblings=present.situation.siblings if form.is_companys else {},
        may_move_lines=item == "names" and bool(present.situation.present["lines"]) and not _ticked(present, "lines"),
        may_add=Edit.ADD in form.edits,
        lacks=lacks_owned(item, offered),
        may_tick=kind() is Kind.CONTRACT_CHANGE and item not in EXCLUSIVE,
        remaining=len(present.situation.terminals) if item == "termination" else 0,
    )


@blueprint.post("/items/<item>")
@guard.customer(right=Right.APPLY)
def enter(item: str) -> Response:
    """Keep an item's page, or the part of it that was shown; then go on, or show other rows or more blank ones."""
    present = _at(item)
    form = FORMS[item]
    refs = tuple(row.ref for row in present.situation.present.get(item, ()))
    names = [name_of(field.code, ref) for ref in refs for field in form.fields] + [name_of("delete", ref) for ref in refs]
    if form.is_request:
        names = [field.code for field in form.fields]
    names += [f"new{at}.{field.code}" for at in range(1, NEW_MOST + 1) for field in form.fields]
    # What was not sent was not shown: a row that came meanwhile stays as it is.
    sent = wizard.typed_form(*(name for name in names if name in flask.request.form))
    present = wizard.revise(present, item, revised(item, sent, turning.shown(), present.situation.present))
    if flask.request.form.get("then") == "more":
        first_blank = f"{new_refs(present.draft.section(item), _SPARE)[-1]}.{form.asked(Edit.ADD)[0].code}"
        return flask.redirect(wizard.address(item, anchor=first_blank, more="1", **turning.here()), 303)
    return turning.turned(item) or wizard.go_on(present, item)


def _at(item: str) -> wizard.Progress:
    if item not in FORMS or item not in ITEMS:
        flask.abort(404)
    return wizard.at(item)


def _ticked(present: wizard.Progress, item: str) -> bool:
    return present.choice is not None and item in present.choice.items


def _offered(item: str, present: wizard.Progress) -> dict[str, tuple[str, ...]]:
    if present.choice is None:
        return {}
    return dict(proposals.ground(item, present.draft, present.choice, present.situation).offered)


def _part(item: str, present: wizard.Progress) -> turning.Part:
    form, contract = FORMS[item], present.situation.present
    rows = {row.ref: row for row in contract[item]}
    changes = changed(item, present.draft.section(item), contract)
    faults = turning.faults_of(present, item)

    def words(ref: str) -> str:
        values = rows[ref].values
        return " ".join(told for field in form.fields for told in (values.get(field.code, ""), _told(field, values)) if told)

    names = {ref: _legend(form, row) for ref, row in rows.items()}
    return turning.part_of(turning.Listed(names, changes, faults), words, _OPEN_ROWS if Edit.CHANGE in form.edits else SIZE)


def _told(field: Field, values: Values) -> str:
    return field.tell(values.get(field.code, ""), language())


def _rows(
    item: str, present: wizard.Progress, shown: tuple[Row, ...], offered: dict[str, tuple[str, ...]]
) -> Iterator[PageRow]:  # fmt: skip
    form, typed = FORMS[item], present.draft.section(item)
    if form.is_request:
        yield PageRow("", "", tuple(_field(field, "", None, offered) for field in form.asked(Edit.ADD)))
        return
    for row in shown:
        asked = form.asked(Edit.CHANGE) if Edit.CHANGE in form.edits else ()
        fields = tuple(_field(field, row.ref, row, offered) for field in asked)
        delete = name_of("delete", row.ref) if Edit.DELETE in form.edits else ""
        yield PageRow(row.ref, _legend(form, row), fields, delete, is_deleted=bool(typed.get(delete)))
    if Edit.ADD in form.edits:
        for number, ref in enumerate(new_refs(typed, _MORE if flask.request.args.get("more") else _SPARE), start=1):
            legend = say(mark("追加 %(number)s"), number=number)
            yield PageRow(ref, legend, tuple(_field(field, ref, None, offered) for field in form.asked(Edit.ADD)))


def _legend(form: Form, row: Row) -> str:
    return " ".join(_told(form.field(name), row.values) for name in form.names)


def _field(field: Field, ref: str, row: Row | None, offered: dict[str, tuple[str, ...]]) -> PageField:
    now = row.values.get(field.code, "") if row else ""
    # So many codes are typed, with suggestions, rather than looked for in a list of hundreds.
    other = field.kind.item if isinstance(field.kind, Owned) and _is_suggested(offered.get(field.kind.item, ())) else ""
    choices = () if other else _choices(field, now, offered)
    has_radios = row is not None and not ref and len(choices) <= _RADIOS_MOST
    kind = "line" if other else field.kind.widget
    widget = kind if kind != "choice" else "radios" if has_radios else "select"
    hint = _hint(field, now) if row else _hint_of_new(field, is_empty=not (choices or other))
    return PageField(
        name=name_of(field.code, ref),
        label=field.label(language()),
        hint=" ".join(part for part in (hint, say(mark("入力すると、登録の候補が表示されます。")) if other else "") if part),
        widget=widget,
        required=None if field.required and row is None and ref else field.required,  # a new row may stay empty
        choices=choices if widget == "radios" else (("", gettext(mark("選択してください"))), *choices),
        most=getattr(field.kind, "most", 0) * 2,  # half-width kana are twice as many characters
        suggestions=f"own-{other}" if other else "",
    )


def _is_suggested(values: tuple[str, ...]) -> bool:
    return turning.is_long(values)


def _hint_of_new(field: Field, *, is_empty: bool) -> str:
    if isinstance(field.kind, Owned) and is_empty:
        return say(mark("選択できる登録がありません。"))
    return field.hint(language())


def _hint(field: Field, now: str) -> str:
    told = field.tell(now, language()) or gettext(mark("登録なし"))
    return " ".join(part for part in (say(mark("現在: %(value)s"), value=told), field.hint(language())) if part)


def _choices(field: Field, now: str, offered: dict[str, tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    match field.kind:
        case Choice(options):
            codes = [option.code for option in options]
        case Owned(item):
            codes = list(offered.get(item, ()))
        case _:
            return ()
    # What the contract says can stay, even if nobody could choose it now.
    codes += [now] if now and now not in codes else []
    return tuple((code, field.tell(code, language())) for code in codes)
