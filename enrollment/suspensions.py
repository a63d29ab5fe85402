"""What somebody is told who meets a suspended terminal: since when, and by which rule, if staff did not suspend it."""

from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry.terminals import Terminal


def refusal(terminal: Terminal) -> Refused:
    """Return Refused("terminal-suspended") with terminal, `since` (a day in Tokyo) and `rule` (1 to 3; not when staff did)."""
    return Refused("terminal-suspended", terminal=terminal.name, **facts_of(terminal))


def facts_of(terminal: Terminal) -> dict[str, str | int]:
    """Return `since` and `rule` of a suspended terminal; nothing of another."""
    if terminal.suspended_at is None:
        return {}
    facts: dict[str, str | int] = {"since": tokyo_date(terminal.suspended_at).isoformat()}
    return facts if terminal.suspension_rule is None else facts | {"rule": int(terminal.suspension_rule)}
