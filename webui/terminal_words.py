"""The state of a terminal in words: time counts, too, not only what was done to it."""

from datetime import datetime

from kernel.clock import tokyo_date
from registry.states import TerminalState
from registry.terminals import Terminal
from webui.doorway import doorway
from webui.texts import mark
from webui.words import TERMINAL_STATES, Label

_AHEAD = Label(mark("利用開始前"), "info")


def terminal_label(terminal: Terminal, now: datetime | None = None) -> Label:
    """Return a terminal's state at an instant, by default now: before its start date nobody logs on with a certificate."""
    today = tokyo_date(now or doorway().parts.clock.now())
    if terminal.state is TerminalState.IN_SERVICE and today < terminal.start_date:
        return _AHEAD
    return TERMINAL_STATES[terminal.state]


def equip(templates: dict[str, object]) -> None:
    """Give templates the function."""
    templates |= {"terminal_label": terminal_label}
