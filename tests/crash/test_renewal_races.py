"""What lands between T1 and T2 of a renewal wins; of many renewals at once one does; a stop always does."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from ca.authority import Authority
from ca.certificates import CertificateState
from ca.issuers import SigningIssuer
from ca.revocation import Reason
from enrollment.bulk import BulkRevocation
from enrollment.deeds import Ending
from enrollment.issuance import Retrieved
from enrollment.reissue_records import ReissueReason
from enrollment.renewal import Renewal, lapse_due
from kernel.database import Database, connect
from kernel.errors import Refused, Unavailable
from tests.crash import ledger
from tests.crash.faults import BrokenKey, once
from tests.crash.ledger import received_by
from tests.crash.races import all_at_once, stubbornly
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, PREPARER, SECURITY, SOURCE, Request, build_house, new_request
from tests.support.statements import sharing_statements

VALID = CertificateState.VALID
Deed = Callable[[Renewable], object]


@pytest.fixture
def terminal(database: Database, tmp_path: Path, clock: SettableClock) -> Renewable:
    return renewable(build_house(database, tmp_path, clock), clock)


def _suspend(terminal: Renewable) -> None:
    terminal.house.endings.suspend(terminal.terminal, SECURITY)


def _suspend_and_resume(terminal: Renewable) -> None:
    _suspend(terminal)
    terminal.house.endings.resume(terminal.terminal, SECURITY)


def _revoke(terminal: Renewable) -> None:
    assert terminal.house.endings.revoke(terminal.terminal, Reason.UNSPECIFIED, SECURITY)


def _revoke_by_number(terminal: Renewable) -> None:
    bulk = BulkRevocation(terminal.house.database, terminal.house.clock)
    name = f"{terminal.old.issuer}:{terminal.old.serial}"
    assert bulk.revoke([name], lambda now: Ending(Reason.UNSPECIFIED, SECURITY, now)).certificates == 1


def _accept_reissue(terminal: Renewable) -> None:
    terminal.house.reissues.request(terminal.terminal, ReissueReason.PC_REPLACED, APPROVER)


def _report_theft(terminal: Renewable) -> None:
    terminal.house.reissues.request(terminal.terminal, ReissueReason.STOLEN, APPROVER)


def _retrieve_by_codes(terminal: Renewable) -> None:
    house = terminal.house
    house.preparation.prepare_existing(terminal.terminal, APPROVER, PREPARER)
    house.redemption.redeem(house.codes_of(terminal.terminal), new_request().pem, SOURCE)


def _lapse(terminal: Renewable) -> None:
    assert isinstance(terminal.house.clock, SettableClock)
    assert lapse_due(terminal.house.database, terminal.house.clock.advance(timedelta(hours=25))) == 1


@dataclass(frozen=True)
class Row:
    """A deed, what the renewal is told, and how many good certificates there are afterwards."""

    deed: Deed
    told: str
    good: int

    def __str__(self) -> str:
        return self.deed.__name__.strip("_")


ROWS = [
    Row(_suspend, "terminal-suspended", 0),
    Row(_suspend_and_resume, "unavailable", 1),
    Row(_revoke, "certificate-revoked", 0),
    Row(_revoke_by_number, "certificate-revoked", 0),
    Row(_accept_reissue, "unavailable", 1),
    Row(_report_theft, "certificate-revoked", 0),
    Row(_retrieve_by_codes, "certificate-revoked", 1),
    Row(_lapse, "unavailable", 1),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_deed_between_t1_and_t2_wins(terminal: Renewable, row: Row) -> None:
    ours = new_request()
    # Whether the terminal is going to confirm makes no difference before T2: half of the rows do.
    assert _told(_interrupted(terminal, row.deed), terminal, ours, awaits=ROWS.index(row) % 2 == 0) == row.told
    states = list(terminal.states().values())
    assert states.count(VALID) == row.good
    assert states.count(CertificateState.ABANDONED) == 1
    assert ledger.faults(terminal.house, []) == []  # among much else: what may have been signed is on the CRL


def test_after_the_acceptance_of_a_reissue_the_renewal_is_not_taken_up(terminal: Renewable) -> None:
    ours = new_request()
    assert _told(_interrupted(terminal, _accept_reissue), terminal, ours) == "unavailable"
    assert terminal.told(ours) == "reissue-pending"


def test_the_same_key_that_is_faster_stores_the_certificate_for_both(terminal: Renewable) -> None:
    ours = new_request()
    faster: list[Retrieved] = []
    slower = _interrupted(terminal, lambda one: faster.append(one.renew(ours)))
    retrieved = slower.renew(terminal.der, ours.pem)
    assert (faster[0].is_new, retrieved.is_new) == (True, False)
    assert retrieved.certificate == faster[0].certificate
    assert ledger.faults(terminal.house, [received_by(0, faster[0]), received_by(0, retrieved)]) == []


def test_a_rival_key_is_refused_while_we_sign(terminal: Renewable) -> None:
    told: list[str] = []
    interrupted = _interrupted(terminal, lambda one: told.append(one.told()))
    assert interrupted.renew(terminal.der, new_request().pem).is_new
    assert told == ["renewal-spent"]


def test_a_rival_key_that_waited_for_ten_minutes_takes_over(terminal: Renewable, clock: SettableClock) -> None:
    won: list[Retrieved] = []

    def take_over(one: Renewable) -> None:
        clock.advance(timedelta(minutes=10))
        won.append(one.renew())

    assert _told(_interrupted(terminal, take_over), terminal, new_request()) == "renewal-spent"
    assert terminal.current() == won[0].certificate.serial
    assert ledger.faults(terminal.house, [received_by(0, won[0])]) == []


def test_of_two_keys_at_once_one_wins(terminal: Renewable) -> None:
    requests = [new_request() for _ in range(2)]
    deeds = [partial(stubbornly, partial(_node(terminal).renew, terminal.der, one.pem)) for one in requests for _ in range(3)]
    answers = all_at_once(deeds)
    retrieved = [answer for answer in answers if isinstance(answer, Retrieved)]
    assert len({answer.certificate.der for answer in retrieved}) == 1
    assert sum(answer.is_new for answer in retrieved) == 1
    assert Counter(answer for answer in answers if isinstance(answer, str)) == {"renewal-spent": 3}
    assert ledger.faults(terminal.house, [received_by(0, answer) for answer in retrieved]) == []


@pytest.mark.parametrize("stop", [_suspend, _revoke, _report_theft, _accept_reissue], ids=lambda stop: stop.__name__.strip("_"))
def test_a_renewal_and_a_stop_at_once_leave_a_sound_house(terminal: Renewable, stop: Deed) -> None:
    ours = new_request()

    def renew() -> Retrieved | str:
        return stubbornly(partial(_node(terminal).renew, terminal.der, ours.pem))

    answers = all_at_once([renew, renew, lambda: _stopped(terminal, stop)])
    received = [received_by(0, answer) for answer in answers if isinstance(answer, Retrieved)]
    assert ledger.faults(terminal.house, received) == []
    good = [state for state in terminal.states().values() if state == VALID]
    if stop is not _accept_reissue:
        assert good == []


def _stopped(terminal: Renewable, stop: Deed) -> str:
    while True:
        try:
            stop(terminal)
        except Unavailable:
            continue
        return "stopped"


def _node(terminal: Renewable) -> Renewal:
    """Return the renewal of another node: with connections of its own."""
    house = terminal.house
    database = sharing_statements(connect(house.database.engine.url.render_as_string(hide_password=False)))
    return Renewal(database, house.clock, house.authority)


def _interrupted(terminal: Renewable, deed: Deed) -> Renewal:
    """Return a renewal whose key does a deed before it signs, the first time."""
    house = terminal.house

    def do() -> None:
        deed(terminal)

    key = BrokenKey(house.issuing.key)
    key.before = once(do)
    return Renewal(house.database, house.clock, Authority(SigningIssuer(house.issuing.issuer, key), house.profile))


def _told(renewal: Renewal, terminal: Renewable, request: Request, *, awaits: bool = False) -> str:
    try:
        renewal.renew(terminal.der, request.pem, awaits_confirmation=awaits)
    except Refused as refusal:
        return refusal.code
    except Unavailable:
        return "unavailable"
    return "certificate"
