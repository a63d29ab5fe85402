"""A page that shows a part of a long list: what it makes of what was typed so far, and which rows were changed.

    revised(item, sent, shown, present) -> Callable[[Typed], Typed]     what `Drafts.revise` takes, for an item's page
    revised_terminals(sent, shown, terminals)                           the same for the terminals' page
    changed(item, typed, present) -> tuple[str, ...]                    refs of the rows that were typed over
    changed_terminals(typed, terminals)                                 names, the same for the terminals' page
    row_of(fault) -> str                                                the row that a fault is about

`shown` are the rows that the sent page showed; none means that it showed them all. Rows that were not shown stay as they
were typed before. Of the rows of a list only that is kept which differs from the contract: so a draft does not grow with
the contract, and what nobody touched follows it when it changes meanwhile.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from registry.changes import Present, Row, name_of
from registry.faults import FieldFault, Typed, first
from registry.forms import FORMS, Form
from registry.states import SystemClass
from registry.terminals import Terminal

_CLASS = "class."


def revised(item: str, sent: Typed, shown: Collection[str] | None, present: Present) -> Callable[[Typed], Typed]:
    """Return what makes an item's page of the present one and of what was sent."""
    form, rows = FORMS[item], _rows(item, present)
    if not form.is_list:
        return lambda _: sent
    hidden = _hidden(rows, shown)

    def revise(kept: Typed) -> Typed:
        typed = {name: values for name, values in kept.items() if _ref(name) in hidden} | dict(sent)
        return {name: values for name, values in typed.items() if not _says_the_same(form, name, values, rows)}

    return revise


def revised_terminals(
    sent: Typed, shown: Collection[str] | None, terminals: Iterable[Terminal]
) -> Callable[[Typed], Typed]:  # fmt: skip
    """Return what makes the terminals' page of the present one and of what was sent."""
    present = _classes(terminals)
    hidden = _hidden(present, shown)

    def revise(kept: Typed) -> Typed:
        classes = {name: values for name, values in kept.items() if name.removeprefix(_CLASS) in hidden}
        stay = [name for name in kept.get("abolish", []) if name in hidden]
        typed = {**classes, **sent, "abolish": list(dict.fromkeys((*stay, *sent.get("abolish", []))))}
        return {name: values for name, values in typed.items() if not (name.startswith(_CLASS) and _stays(typed, name, present))}

    return revise


def changed(item: str, typed: Typed, present: Present) -> tuple[str, ...]:
    """Return the rows of the contract's list that were typed over or deleted, in the list's order."""
    form, rows = FORMS[item], _rows(item, present)
    touched = {
        _ref(name)
        for name, values in typed.items()
        if _ref(name) in rows and first(typed, name) != _before(name, rows) and not _says_the_same(form, name, values, rows)
    }
    return tuple(ref for ref in rows if ref in touched)


def changed_terminals(typed: Typed, terminals: Iterable[Terminal]) -> tuple[str, ...]:
    """Return the terminals of which the class or the end was asked for, in the order given."""
    present, abolished = _classes(terminals), set(typed.get("abolish", []))
    return tuple(name for name in present if name in abolished or not _stays(typed, f"{_CLASS}{name}", present))


def row_of(fault: FieldFault) -> str:
    """Return the row that a fault of a list's page is about, empty for none: a ref, or a terminal's name."""
    if isinstance(terminal := fault.facts.get("terminal"), str):
        return terminal
    return fault.field.removeprefix(_CLASS) if fault.field.startswith(_CLASS) else _ref(fault.field)


def _rows(item: str, present: Present) -> Mapping[str, Row]:
    return {row.ref: row for row in present.get(item, ())}


def _classes(terminals: Iterable[Terminal]) -> Mapping[str, SystemClass]:
    return {terminal.name: terminal.system_class for terminal in terminals}


def _hidden(rows: Iterable[str], shown: Collection[str] | None) -> set[str]:
    return set() if shown is None else set(rows) - set(shown)


def _ref(name: str) -> str:
    return name.rpartition(".")[0]


def _before(name: str, rows: Mapping[str, Row]) -> str:
    ref, _, code = name.rpartition(".")
    return rows[ref].values.get(code, "")


def _says_the_same(form: Form, name: str, values: list[str], rows: Mapping[str, Row]) -> bool:
    """Return whether a field of a row of the contract leaves it as it is; what is required and missing is not passed by."""
    ref, _, code = name.rpartition(".")
    if ref not in rows:
        return False
    typed, before = values[0] if values else "", _before(name, rows)
    if name == name_of("delete", ref):
        return not typed
    is_missing = not before and any(field.code == code and field.required for field in form.fields)
    return typed == before and not is_missing


def _stays(typed: Typed, name: str, present: Mapping[str, SystemClass]) -> bool:
    """Return whether a terminal's class is not asked for, or is the one that it has."""
    wanted, before = first(typed, name), present.get(name.removeprefix(_CLASS))
    return not wanted or (before is not None and wanted == before.value)
