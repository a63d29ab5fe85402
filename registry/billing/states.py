"""What a contract said from which day on, as far as it is billed: noted by whoever changes a contract, in the same transaction.

note(session, office_code, day)               after the change
states_of(session, office_code, until) -> tuple[BilledState, ...]
"""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.billing.tables import BilledStateRow
from registry.states import PricePlan
from registry.tables import ContractRow, UserCodeRow


@dataclass(frozen=True)
class BilledState:
    """From a day on: the plan, and the user codes with paid statistics and with storage, sorted."""

    from_day: date
    plan: PricePlan | None
    statistics: tuple[str, ...]
    storage: tuple[str, ...]


def note(session: Session, office_code: str, day: date) -> None:
    """Note what the contract says now as what counts from a day on.

    Not before a day that was noted already: what is written down there came earlier, and stays.
    """
    session.flush()
    query = select(BilledStateRow).where(BilledStateRow.office_code == office_code).order_by(BilledStateRow.from_day.desc())
    newest = session.scalar(query.limit(1))
    from_day = day if newest is None else max(day, newest.from_day)
    state = _present(session, office_code, from_day)
    if newest is not None and newest.from_day == from_day:
        newest.price_plan, newest.statistics, newest.storage = state.plan, list(state.statistics), list(state.storage)
    elif newest is None or _state_of(newest, from_day) != state:
        session.add(
            BilledStateRow(
                office_code=office_code,
                from_day=from_day,
                price_plan=state.plan,
                statistics=list(state.statistics),
                storage=list(state.storage),
            )
        )
    session.flush()


def states_of(session: Session, office_code: str, until: date) -> tuple[BilledState, ...]:
    """Return what an office's contract said up to a day, oldest first."""
    query = select(BilledStateRow).where(BilledStateRow.office_code == office_code, BilledStateRow.from_day <= until)
    return tuple(_state_of(row, row.from_day) for row in session.scalars(query.order_by(BilledStateRow.from_day)))


def _present(session: Session, office_code: str, day: date) -> BilledState:
    plan = session.get_one(ContractRow, office_code, populate_existing=True).price_plan
    is_open = (UserCodeRow.end_date.is_(None)) | (UserCodeRow.end_date >= day)
    own = (UserCodeRow.office_code == office_code, UserCodeRow.start_date <= day, is_open)
    query = select(UserCodeRow.user_code, UserCodeRow.paid_statistics, UserCodeRow.storage).where(*own)
    rows = session.execute(query).all()
    # A user code has a row for each of its 識別番号; it is billed once.
    statistics = sorted({code for code, is_paid, _ in rows if is_paid})
    storage = sorted({code for code, _, is_kept in rows if is_kept})
    return BilledState(day, plan, tuple(statistics), tuple(storage))


def _state_of(row: BilledStateRow, day: date) -> BilledState:
    return BilledState(day, row.price_plan, tuple(row.statistics), tuple(row.storage))
