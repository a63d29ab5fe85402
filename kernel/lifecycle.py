"""State tables: what may become of a thing, as data. Diagrams in the documentation are drawn from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from kernel.errors import Refused

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


@dataclass(frozen=True)
class Lifecycle(Generic[State, Event]):
    """A table from (state, event) to the next state; a pair that is not in it is refused.

    `initial` is the state that things are made in.
    """

    name: str
    initial: State
    table: Mapping[tuple[State, Event], State]

    def step(self, state: State, event: Event) -> State:
        """Return the state after an event.

        Raises Refused("<name>-state", state=…, event=…) when the table has no such step.
        """
        following = self.table.get((state, event))
        if following is None:
            raise Refused(f"{self.name}-state", state=state.value, event=event.value)
        return following

    def allows(self, state: State, event: Event) -> bool:
        """Return whether the table has such a step."""
        return (state, event) in self.table

    def diagram(self) -> str:
        """Draw the table as a Mermaid state diagram."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial.value}"]
        lines += [f"    {state.value} --> {following.value}: {event.value}" for (state, event), following in self.table.items()]
        return "\n".join(lines)
