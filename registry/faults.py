"""What is wrong with a typed form: field by field, as codes and facts. The edge has the sentences."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from kernel.errors import Refused

# A form as it was typed, as a web form has it: every name with its values.
Typed = Mapping[str, list[str]]


@dataclass(frozen=True)
class FieldFault:
    """One fault of one field. Codes are stable; facts are plain values for the sentence (`most=40`)."""

    field: str
    code: str
    facts: Mapping[str, object] = dataclasses.field(default_factory=dict)


class Faults(tuple[FieldFault, ...]):
    """Everything that is wrong with a form, in the order of its fields: what a check returns instead of the clean value."""

    __slots__ = ()


class Invalid(Refused):
    """Refused("input-invalid"): a use case was given input that its form's check would not have let through."""

    def __init__(self, faults: Faults) -> None:
        super().__init__("input-invalid", fields=",".join(fault.field for fault in faults))
        self.faults = faults


def first(typed: Typed, name: str) -> str:
    """Return a field's first value; a field that is not there is empty."""
    values = typed.get(name)
    return values[0] if values else ""
