import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from enrollment import code_sets
from enrollment.code_sets import LIFECYCLE, CodeSetEvent, CodeSetState
from enrollment.tables import CodeSetRow
from kernel.errors import Refused
from tests.support.house import SECURITY, House

P, C, R, F, E, X = CodeSetState
DONE = {
    (P, CodeSetEvent.CLAIM): C,
    (P, CodeSetEvent.FREEZE): F,
    (P, CodeSetEvent.EXPIRE): E,
    (P, CodeSetEvent.REPLACE): X,
    (C, CodeSetEvent.REDEEM): R,
    (C, CodeSetEvent.FREEZE): F,
    (C, CodeSetEvent.EXPIRE): E,
    (C, CodeSetEvent.REPLACE): X,
    (F, CodeSetEvent.THAW): P,
    (F, CodeSetEvent.EXPIRE): E,
    (F, CodeSetEvent.REPLACE): X,
}


@pytest.mark.parametrize("event", CodeSetEvent)
@pytest.mark.parametrize("state", CodeSetState)
def test_every_event_in_every_state_has_its_outcome(state: CodeSetState, event: CodeSetEvent) -> None:
    assert LIFECYCLE.allows(state, event) == ((state, event) in DONE)
    if (state, event) in DONE:
        assert LIFECYCLE.step(state, event) is DONE[state, event]
    else:
        with pytest.raises(Refused, match="code-set-state"):
            LIFECYCLE.step(state, event)


def test_a_terminal_has_one_open_set_at_most_says_the_database(house: House) -> None:
    [(terminal, _)] = house.new_codes()
    [row] = house.code_set_rows(terminal)
    kept = {column.name: getattr(row, column.name) for column in CodeSetRow.__table__.columns}
    second = kept | {"id": "second", "access_key_digest": bytes(32)}
    for state in ("prepared", "frozen"):
        with pytest.raises(IntegrityError), house.database.transaction() as session:
            session.add(CodeSetRow(**second | {"state": state}))
    with house.database.transaction() as session:
        session.add(CodeSetRow(**second | {"state": "replaced"}))


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "claimed"},
        {"state": "redeemed"},
        {"serial": "5eed", "issuer": "issuing-1"},
        {"claimed_key": bytes(32)},
        {"approver": "staff:issuing"},
    ],
)
def test_the_database_refuses_rows_that_cannot_be(house: House, broken: dict[str, object]) -> None:
    house.new_codes()
    with pytest.raises(IntegrityError), house.database.transaction() as session:
        session.execute(update(CodeSetRow).values(**broken))


@pytest.mark.parametrize("event", [CodeSetEvent.FREEZE, CodeSetEvent.EXPIRE, CodeSetEvent.REPLACE])
def test_leaving_forgets_the_claim_and_the_copy_that_nobody_may_see_again(house: House, event: CodeSetEvent) -> None:
    [(terminal, _)] = house.new_codes()
    with house.database.transaction() as session:
        row = session.scalars(select(CodeSetRow)).one()
        code_sets.leave(session, row, event, house.clock.now(), actor=SECURITY)
    [row] = house.code_set_rows(terminal)
    assert (row.serial, row.issuer, row.claimed_key, row.claimed_at) == (None, None, None, None)
    assert (row.sealed is None) == (event is not CodeSetEvent.FREEZE)
