"""What is asked of a terminal each time that somebody passes with its certificate. Core statements, no records.

of(session, name) -> Standing | None
of_many(session, names) -> dict[name, Standing]
changed_since(session, instant) -> dict[name, when]
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.states import TerminalState
from registry.tables import TerminalRow
from registry.terminals import NAME

_AT_ONCE = 500
_table = TerminalRow.__table__.c
_COLUMNS = (_table.name, _table.office_code, _table.state, _table.start_date)
# Made once, and run past the ORM: making a statement costs as much as running it.
_ONE = select(*_COLUMNS).where(_table.name == bindparam("terminal"))


class Standing(NamedTuple):
    """How a terminal stands at this moment."""

    name: str
    office_code: str
    state: TerminalState
    start_date: date


def of(session: Session, name: str) -> Standing | None:
    """Return how a terminal stands; a name that can not be never reaches the database."""
    if NAME.fullmatch(name) is None:
        return None
    row = session.connection().execute(_ONE, {"terminal": name}).first()
    return None if row is None else Standing(*row)


def of_many(session: Session, names: Collection[str]) -> dict[str, Standing]:
    """Return how terminals stand, by name."""
    found: dict[str, Standing] = {}
    wanted = sorted(names)
    for begin in range(0, len(wanted), _AT_ONCE):
        query = select(*_COLUMNS).where(_table.name.in_(wanted[begin : begin + _AT_ONCE]))
        found |= {row.name: Standing(*row) for row in session.execute(query)}
    return found


def changed_since(session: Session, instant: datetime) -> dict[str, datetime]:
    """Return the terminals that were changed at an instant or after it, and when, by the clock of whoever did so."""
    query = select(TerminalRow.name, TerminalRow.changed_at).where(TerminalRow.changed_at >= instant)
    return {row.name: row.changed_at for row in session.execute(query)}
