"""The page of one change item: what the contract says now, filled in to be written over; one view for all `registry.forms`."""

from collections.abc import Iterator
from dataclasses import dataclass

import flask
from werkzeug.wrappers import Response

from registry import proposals
from registry.changes import NEW_MOST, Row, lacks_owned, name_of, new_refs, prefilled
from registry.drafts import Kind
from registry.fields import Choice, Field, Owned
from registry.forms import FORMS, Edit, Form
from registry.items import EXCLUSIVE, ITEMS
from webui import guard
from webui.accounts import Right
from webui.portal import wizard
from webui.portal.kinds import KindBlueprint, kind
from webui.sheet import Sheet
from webui.texts import gettext, language, mark, say

blueprint = KindBlueprint("item_pages", __name__)

# Blank rows to begin with, and when more are asked for.
_SPARE, _MORE = 1, 4
# So few options stand side by side.
_RADIOS_MOST = 4


@dataclass(frozen=True)
class PageField:
    """A field as the page shows it. `widget` is line, area, radios or select; `choices` are pairs of code and words."""

    name: str
    label: str
    hint: str
    widget: str
    required: bool | None
    choices: tuple[tuple[str, str], ...] = ()
    most: int = 0


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
    """Show an item's page."""
    present = _at(item)
    offered = _offered(item, present)
    form, rows = FORMS[item], tuple(_rows(item, present, offered))
    before = {name: texts[0] for name, texts in prefilled(item, present.situation.present).items()}
    sheet = present.sheet(item)
    labels = {field.name: f"{row.legend} {field.label}".strip() for row in rows for field in row.fields}
    labels |= {row.delete: row.legend for row in rows if row.delete}
    return flask.render_template(
        "apply-item.html",
        present=present,
        steps=wizard.steps(),
        item=item,
        form=form,
        rows=rows,
        labels=labels,
        sheet=Sheet({**before, **sheet.values}, sheet.faults),
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
    """Keep an item's page; or show more blank rows."""
    present = _at(item)
    form = FORMS[item]
    refs = tuple(row.ref for row in present.situation.present.get(item, ()))
    names = [name_of(field.code, ref) for ref in refs for field in form.fields] + [name_of("delete", ref) for ref in refs]
    if form.is_request:
        names = [field.code for field in form.fields]
    names += [f"new{at}.{field.code}" for at in range(1, NEW_MOST + 1) for field in form.fields]
    # What was not sent was not shown: a row that came meanwhile stays as it is.
    typed = wizard.typed_form(*(name for name in names if name in flask.request.form))
    present = wizard.save(present, item, typed)
    if flask.request.form.get("then") == "more":
        first_blank = f"{new_refs(present.draft.section(item), _SPARE)[-1]}.{form.asked(Edit.ADD)[0].code}"
        return flask.redirect(flask.url_for("item_pages.show", item=item, more=1, _anchor=first_blank), 303)
    return wizard.go_on(present, item)


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


def _rows(item: str, present: wizard.Progress, offered: dict[str, tuple[str, ...]]) -> Iterator[PageRow]:
    form, typed = FORMS[item], present.draft.section(item)
    if form.is_request:
        yield PageRow("", "", tuple(_field(field, "", None, offered) for field in form.asked(Edit.ADD)))
        return
    for row in present.situation.present.get(item, ()):
        asked = form.asked(Edit.CHANGE) if Edit.CHANGE in form.edits else ()
        fields = tuple(_field(field, row.ref, row, offered) for field in asked)
        delete = name_of("delete", row.ref) if Edit.DELETE in form.edits else ""
        yield PageRow(row.ref, _legend(form, row), fields, delete, is_deleted=bool(typed.get(delete)))
    if Edit.ADD in form.edits:
        for number, ref in enumerate(new_refs(typed, _MORE if flask.request.args.get("more") else _SPARE), start=1):
            legend = say(mark("追加 %(number)s"), number=number)
            yield PageRow(ref, legend, tuple(_field(field, ref, None, offered) for field in form.asked(Edit.ADD)))


def _legend(form: Form, row: Row) -> str:
    return " ".join(form.field(name).tell(row.values.get(name, ""), language()) for name in form.names)


def _field(field: Field, ref: str, row: Row | None, offered: dict[str, tuple[str, ...]]) -> PageField:
    now = row.values.get(field.code, "") if row else ""
    choices = _choices(field, now, offered)
    has_radios = row is not None and not ref and len(choices) <= _RADIOS_MOST
    widget = field.kind.widget if field.kind.widget != "choice" else "radios" if has_radios else "select"
    return PageField(
        name=name_of(field.code, ref),
        label=field.label(language()),
        hint=_hint(field, now) if row else _hint_of_new(field, choices),
        widget=widget,
        required=None if field.required and row is None and ref else field.required,  # a new row may stay empty
        choices=choices if widget == "radios" else (("", gettext(mark("選択してください"))), *choices),
        most=getattr(field.kind, "most", 0) * 2,  # half-width kana are twice as many characters
    )


def _hint_of_new(field: Field, choices: tuple[tuple[str, str], ...]) -> str:
    if isinstance(field.kind, Owned) and not choices:
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
