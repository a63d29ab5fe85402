"""What a form shows: what was typed, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Sheet:
    """Typed texts and finished sentences about them, both by the field's name. `labels` names fields in the summary."""

    values: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """Return what stands in a field."""
        return self.values.get(name, "")

    def with_faults(self, faults: Mapping[str, str]) -> "Sheet":
        """Return the same answers with faults beside them."""
        return replace(self, faults=dict(faults))

    def without(self, *names: str) -> "Sheet":
        """Return the same answers with some left out: a password is never sent back."""
        return replace(self, values={name: value for name, value in self.values.items() if name not in names})
