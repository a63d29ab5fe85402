"""Proving again who one is, before something that a session left open must not give away."""

from datetime import datetime, timedelta

from webui import guard
from webui.doorway import doorway
from webui.sessions import visit

# Logging in counts, too: nobody types the password twice in a row.
FRESH = timedelta(minutes=10)
_CONFIRMED = "confirmed_at"


def is_fresh() -> bool:
    """Return whether the visitor's password was typed a short while ago."""
    now, confirmed = doorway().parts.clock.now(), visit().get(_CONFIRMED)
    times = [visit().since, datetime.fromisoformat(confirmed) if isinstance(confirmed, str) else None]
    return any(time is not None and now - time <= FRESH for time in times)


def confirm(password: str) -> None:
    """Check the visitor's password and remember when; raises Refused("password-wrong"), "throttled"."""
    doorway().parts.accounts.require_password(guard.person(), password)
    visit()[_CONFIRMED] = doorway().parts.clock.now().isoformat()
