"""Whether what was applied for still meets the rules: an application lives for weeks, and the rules may change meanwhile.

    faults(office_code, change) -> tuple[FieldFault, ...]
    require(office_code, change)                            raises Refused("item-outdated")

Only what a change tells by itself is judged. Whether the contract still says what it said is `execution.conflicts`.
"""

from collections.abc import Iterator

from kernel.errors import Refused
from registry.changes import Entry, ItemChange, Values
from registry.faults import FieldFault
from registry.forms import FORMS, OFFICE_CODE, Edit, Form

# What is wrong with rows as such, not with one of their fields.
WHOLE = "entries"


def faults(office_code: str, change: ItemChange) -> tuple[FieldFault, ...]:
    """Return what today's rules refuse in an office's change; fields are those of the item's form, or `WHOLE`."""
    form = FORMS.get(change.item)
    if not change.entries:
        return ()
    if form is None:
        return (FieldFault(WHOLE, "item-unknown"),)
    found = [fault for entry in change.entries for fault in _of_entry(form, entry, office_code)]
    return tuple(found) or tuple(_twice(form, change))


def require(office_code: str, change: ItemChange) -> None:
    """Raise Refused("item-outdated") with the item and its faulty fields when today's rules refuse a change."""
    if found := faults(office_code, change):
        raise Refused("item-outdated", item=change.item, fields=",".join(dict.fromkeys(fault.field for fault in found)))


def _of_entry(form: Form, entry: Entry, office_code: str) -> Iterator[FieldFault]:
    before, after = entry.before or {}, entry.after or {}
    if entry.edit not in ({Edit.ADD} if form.is_request else form.edits):
        yield FieldFault(WHOLE, "edit-unknown")
    elif entry.edit is Edit.DELETE:
        yield from _unnamed(form, before)
    elif entry.edit is Edit.CHANGE:
        yield from _unnamed(form, before)
        yield from _of_values(form, {name: after.get(name, "") for name in entry.changed}, office_code)
    else:
        yield from _of_values(form, {field.code: "" for field in form.asked(Edit.ADD)} | dict(after), office_code)


def _unnamed(form: Form, before: Values) -> Iterator[FieldFault]:
    """Find the fields without which nobody knows which row of the contract is meant."""
    yield from (FieldFault(name, "required") for name in form.names if name not in before)


def _of_values(form: Form, values: Values, office_code: str) -> Iterator[FieldFault]:
    asked = {field.code: field for field in form.fields if not field.is_shown}
    for name, value in values.items():
        field = asked.get(name)
        checked = field.check(name, value) if field else FieldFault(WHOLE, "field-unknown")
        if isinstance(checked, FieldFault):
            yield checked
        elif field and field.kind is OFFICE_CODE and value == office_code:
            yield FieldFault(name, "own-office")


def _twice(form: Form, change: ItemChange) -> Iterator[FieldFault]:
    """Find rows that are added twice, and two where there is one."""
    if not form.is_list and len(change.entries) > 1:
        yield FieldFault(WHOLE, "row-twice")
    added = [
        tuple((entry.after or {}).get(name, "") for name in form.unique) for entry in change.entries if entry.edit is Edit.ADD
    ]
    if form.unique and len(set(added)) < len(added):
        yield FieldFault(form.unique[-1], "row-twice")
