from collections.abc import Mapping
from enum import StrEnum

import pytest

from kernel.errors import Refused
from kernel.lifecycle import Lifecycle
from registry.states import APPLICATION, TERMINAL, ApplicationEvent, ApplicationState, TerminalEvent, TerminalState

# The architecture's table, written down a second time: state → event → state.
APPLICATION_TABLE = {
    "applied": {
        "query": "queried",
        "approve": "approved",
        "reject": "rejected",
        "withdraw": "withdrawn",
        "void": "void",
        "cancel": "cancelled",
    },
    "queried": {
        "answer": "applied",
        "approve": "approved",
        "reject": "rejected",
        "withdraw": "withdrawn",
        "void": "void",
        "cancel": "cancelled",
    },
    "approved": {"prepare": "prepared", "move": "approved", "complete": "completed", "void": "void", "cancel": "cancelled"},
    "prepared": {"move": "approved", "complete": "completed", "void": "void", "cancel": "cancelled"},
}
TERMINAL_TABLE = {
    "pending": {"activate": "in_service", "suspend": "suspended", "abolish": "abolished"},
    "in_service": {"suspend": "suspended", "abolish": "abolished"},
    "suspended": {"resume_pending": "pending", "resume_service": "in_service", "abolish": "abolished"},
}


def outcome(lifecycle: Lifecycle[StrEnum, StrEnum], state: StrEnum, event: StrEnum) -> str | None:
    try:
        return lifecycle.step(state, event).value
    except Refused as refusal:
        assert refusal.code == f"{lifecycle.name}-state"  # noqa: PT017
        return None


@pytest.mark.parametrize(
    ("lifecycle", "states", "events", "table"),
    [
        (APPLICATION, ApplicationState, ApplicationEvent, APPLICATION_TABLE),
        (TERMINAL, TerminalState, TerminalEvent, TERMINAL_TABLE),
    ],
)
def test_every_state_answers_every_event_as_the_architecture_says(
    lifecycle: Lifecycle[StrEnum, StrEnum],
    states: type[StrEnum],
    events: type[StrEnum],
    table: Mapping[str, Mapping[str, str]],
) -> None:
    for state in states:
        for event in events:
            assert outcome(lifecycle, state, event) == table.get(state.value, {}).get(event.value), (state, event)


def test_an_approved_application_can_not_be_withdrawn_or_rejected() -> None:
    assert not APPLICATION.allows(ApplicationState.APPROVED, ApplicationEvent.WITHDRAW)
    assert not APPLICATION.allows(ApplicationState.APPROVED, ApplicationEvent.REJECT)
