"""Blocking a key against a retrieval or renewal on it that is under way: wherever the block lands, it wins."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from ca.authority import Authority, Draft
from ca.blocked_keys import certificates_on
from ca.certificates import CertificateRecord, CertificateState, of_subject
from ca.issuers import SigningIssuer
from ca.requests import spki_digest
from enrollment.blocking import KeyBlocking
from kernel.errors import Refused, Unavailable
from tests.crash.faults import BrokenKey
from tests.enrollment.renewing import renewable
from tests.support.clock import SettableClock
from tests.support.house import SECURITY, SOURCE, House, Request, new_request

Deed = Callable[[], object]


@dataclass(frozen=True)
class _Interrupted(Authority):
    """Lets a deed happen between the look at the blocked keys and the commit of the promise."""

    deed: Deed = bool

    def reserve(self, session: Session, draft: Draft, now: datetime) -> CertificateRecord:
        reserved = super().reserve(session, draft, now)
        self.deed()
        return reserved

    def reserve_all(self, session: Session, drafts: Sequence[Draft], now: datetime) -> list[CertificateRecord]:
        reserved = super().reserve_all(session, drafts, now)
        self.deed()
        return reserved


def _block(house: House, request: Request) -> None:
    KeyBlocking(house.database, house.clock).block([spki_digest(request.key.public_key())], SECURITY)


@contextmanager
def _beside(deed: Deed) -> Iterator[Deed]:
    """Give what begins a deed in a thread and waits a little for it; the deed has ended when the block does."""
    thread = threading.Thread(target=deed)

    def begin() -> None:
        thread.start()
        thread.join(0.5)  # PostgreSQL lets it through; on SQLite it waits for us

    yield begin
    thread.join()


def _told(deed: Deed) -> str:
    try:
        deed()
    except Refused as refusal:
        return refusal.code
    except Unavailable:
        return "unavailable"
    return "issued"


def _nothing_lives_on(house: House, request: Request) -> bool:
    with house.database.snapshot() as session:
        return not certificates_on(session, [spki_digest(request.key.public_key())])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_block_beside_the_signature_wins(house: House, when: str) -> None:
    [(terminal, codes)] = house.new_codes()
    request, key = new_request(), BrokenKey(house.issuing.key)
    setattr(key, when, lambda: _block(house, request))
    authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
    redemption = replace(house.redemption, authority=authority)
    assert _told(lambda: redemption.redeem(codes, request.pem, SOURCE)) == "key-blocked"
    assert _nothing_lives_on(house, request)
    with house.database.snapshot() as session:
        assert [record.state for record in of_subject(session, terminal)] == [CertificateState.ABANDONED]


def test_a_block_that_misses_the_promise_by_a_moment_wins_all_the_same(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    with _beside(lambda: _block(house, request)) as block:
        authority = _Interrupted(house.issuing, house.profile, deed=block)
        told = _told(lambda: replace(house.redemption, authority=authority).redeem(codes, request.pem, SOURCE))
    with house.database.snapshot() as session:
        [state] = [record.state for record in of_subject(session, terminal)]
    # Where the block had to wait for the promise's commit it may have come after everything: then it has revoked.
    assert (told, state) in {("key-blocked", CertificateState.ABANDONED), ("issued", CertificateState.REVOKED)}
    assert _nothing_lives_on(house, request)


def test_so_it_does_against_a_renewal(house: House, clock: SettableClock) -> None:
    terminal = renewable(house, clock)
    request = new_request()
    with _beside(lambda: _block(house, request)) as block:
        renewal = replace(house.renewal, authority=_Interrupted(house.issuing, house.profile, deed=block))
        told = _told(lambda: renewal.renew(terminal.der, request.pem))
    assert told in {"key-blocked", "issued"}
    assert _nothing_lives_on(house, request)
    if told == "key-blocked":
        assert terminal.states()[terminal.old.serial] == CertificateState.VALID
        assert terminal.told(request) in {"key-blocked", "key-used"}
        assert terminal.told() == "renewed"


def test_side_by_side_again_and_again_no_certificate_lives_on_a_blocked_key(house: House) -> None:
    outcomes = set()
    for number, (_, codes) in enumerate(house.new_codes(12)):
        request = new_request()
        begun = threading.Event()

        def block(request: Request = request, begun: threading.Event = begun, wait: float = number / 400) -> None:
            begun.wait()
            threading.Event().wait(wait)
            _block(house, request)

        thread = threading.Thread(target=block)
        thread.start()
        begun.set()
        outcomes.add(_told(lambda codes=codes, request=request: house.redemption.redeem(codes, request.pem, SOURCE)))  # type: ignore[misc]
        thread.join()
        assert _nothing_lives_on(house, request)
    assert outcomes <= {"issued", "key-blocked", "codes-frozen", "certificate-revoked", "unavailable"}
