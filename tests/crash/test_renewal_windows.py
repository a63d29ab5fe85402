"""The crash windows of a renewal: wherever one is cut off, the same new key comes again and is served; nothing is lost."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from ca.authority import Authority
from ca.issuers import SigningIssuer
from enrollment.issuance import Retrieved
from enrollment.renewal import Renewal
from kernel.database import Database, connect
from kernel.errors import Refused
from tests.crash import faults, ledger
from tests.crash.faults import BrokenKey, Fault, Harm, Place
from tests.crash.ledger import received_by
from tests.crash.windows import Stands, Window, after, before, lie
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import Request, build_house, new_request
from tests.support.statements import sharing_statements

NOTHING, CLAIM, CERTIFICATE = Stands.NOTHING, Stands.CLAIM, Stands.CERTIFICATE
NOT_DONE, DONE = (Harm.REFUSED, Harm.CUT, Harm.KILLED), (Harm.DONE_AND_CUT, Harm.DONE_AND_KILLED)


def _in_database(name: str, stands: Stands, place: Place, nth: int, harms: tuple[Harm, ...]) -> list[Window]:
    unknown = (Place.COMMIT, 2, Harm.DONE_AND_CUT)
    return [
        Window(f"{name}, {harm.value}", stands, Fault(place, nth, harm), answers=(place, nth, harm) == unknown) for harm in harms
    ]


# A renewal reads twice (who asks; how things stand), commits T1, signs, commits T2, and reads once more for its answer.
WINDOWS = [
    *_in_database("while the certificate is looked up", NOTHING, Place.READ, 1, (Harm.CUT,)),
    *_in_database("while the state is looked up", NOTHING, Place.READ, 2, (Harm.CUT,)),
    *_in_database("T1 is not committed", NOTHING, Place.COMMIT, 1, NOT_DONE),
    *_in_database("T1 is committed", CLAIM, Place.COMMIT, 1, DONE),
    Window("after T1, before signing, the process dies", CLAIM, spoil=before(faults.die)),
    Window("signing fails", CLAIM, spoil=before(faults.fail)),
    Window("the device signs wrongly", CLAIM, spoil=lie),
    Window("signed, not checked, the process dies", CLAIM, spoil=after(faults.die)),
    *_in_database("signed, before T2", CLAIM, Place.WRITE, 2, (Harm.CUT,)),
    *_in_database("T2 is not committed", CLAIM, Place.COMMIT, 2, NOT_DONE),
    *_in_database("T2 is committed", CERTIFICATE, Place.COMMIT, 2, DONE),
    *_in_database("after T2, before the answer", CERTIFICATE, Place.READ, 3, (Harm.CUT, Harm.KILLED)),
]
STATES = {NOTHING: [], CLAIM: ["claimed"], CERTIFICATE: ["issued"]}


@pytest.fixture
def terminal(database: Database, tmp_path: Path, clock: SettableClock) -> Renewable:
    return renewable(build_house(database, tmp_path, clock), clock)


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
def test_a_renewal_that_is_cut_off_is_taken_up_by_the_same_key(terminal: Renewable, window: Window) -> None:
    ours, rival = new_request(), new_request()
    first = _cut_off(terminal, window, ours)
    assert (first is not None) == window.answers
    assert terminal.renewals() == STATES[window.stands]
    if window.stands is not CERTIFICATE:
        assert terminal.log_on(terminal.der) == "permitted"  # in the meantime the old one serves

    second = terminal.renew(ours)
    assert second.is_new == (window.stands is not CERTIFICATE)
    third = terminal.renew(ours)
    assert not third.is_new
    with pytest.raises(Refused, match="renewal-spent"):
        terminal.renew(rival)

    received = [received_by(0, retrieved) for retrieved in (first, second, third) if retrieved]
    assert ledger.faults(terminal.house, received) == []
    assert terminal.log_on(third.certificate.der) == "permitted"
    assert ledger.faults(terminal.house, received) == []


def _cut_off(terminal: Renewable, window: Window, request: Request) -> Retrieved | None:
    """Renew into a window and return what the terminal got, if anything; a window that kills does so to a child."""
    if window.kills:
        child = multiprocessing.get_context("fork").Process(target=_renew, args=(terminal, window, request))
        child.start()
        child.join(60)
        assert child.exitcode == -9, f"the child was to be killed in the window, but ended with {child.exitcode}"
        return None
    try:
        return _renew(terminal, window, request)
    except Exception:  # noqa: BLE001 (whatever it is, the terminal got no certificate)
        return None


def _renew(terminal: Renewable, window: Window, request: Request) -> Retrieved:
    """Renew as a process of its own would: with its own connections and its own key."""
    house = terminal.house
    database = sharing_statements(connect(house.database.engine.url.render_as_string(hide_password=False)))
    key = BrokenKey(house.issuing.key)
    if window.spoil:
        window.spoil(key)
    if window.fault:
        replace(window.fault).arm(database)
    authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
    try:
        return Renewal(database, house.clock, authority).renew(terminal.der, request.pem)
    finally:
        database.dispose()
