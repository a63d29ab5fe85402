"""The usual redemption, for many at once: a look and T1, then T2, each one transaction for all who are there at the same moment.

Usual is a prepared set whose days are not over, of a terminal that is pending or in service, by a key that nobody used, of
whoever is not locked out; at T2, a terminal without a renewal under way, be it its first certificate or one that follows
another, which is revoked then. Who leads a round also judges its codes, reads its requests, drafts its
certificates and, where the issuing CA's key is in this process, signs them and does T2; where it may be far away each signs for
himself, and T2 is a round of its own. All is looked at again under the locks, in the order of `code_sets.locked`, rows of a
table by terminal. Whoever is unusual goes the way of `enrollment.guessing` and `enrollment.issuance` by himself, as does
everybody of a round that fails (docs/decisions/0034-redemptions-in-rounds.md).
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ca import authority as authorities
from ca import blocked_keys, certificates, issuers, requests
from ca.authority import Authorities, Authority, Draft
from ca.certificates import CertificateRecord, CertificateState
from ca.profiles import Subject
from ca.requests import RequestedKey
from enrollment import code_sets, credentials, deeds, guessing, receipts, reissue_records, successions
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.guessing import Proof, Question, Seen
from enrollment.interfaces import Interface
from enrollment.issuance import Retrieved, Terms, signed_at_once
from enrollment.tables import CodeSetRow
from kernel import audit, throttle
from kernel.clock import Clock, tokyo_date
from kernel.database import Database, among, many
from kernel.errors import Refused, Unavailable, trace_of
from kernel.gathering import ALONE, EXPECTED, Alone, Company, Gathering, RoundFailed
from registry import news, offices, terminals
from registry.news import NewsKind
from registry.states import TerminalState

_log = logging.getLogger(__name__)
_MAY_RETRIEVE = (TerminalState.PENDING, TerminalState.IN_SERVICE)
_COLUMNS = (
    CodeSetRow.id,
    CodeSetRow.terminal,
    CodeSetRow.office_code,
    CodeSetRow.receipt_number,
    CodeSetRow.access_key_digest,
    CodeSetRow.start_date,
    CodeSetRow.expires_on,
    CodeSetRow.issuer,
    CodeSetRow.serial,
)
_Set = Row[Any]
_Sets = Mapping[str, _Set]


# Written once: making a statement costs more than asking it.
_SETS = select(*_COLUMNS).where(among(CodeSetRow.id), CodeSetRow.state == bindparam("wanted")).order_by(CodeSetRow.terminal)
# Whoever would have to wait for somebody else's lock goes alone, and nobody waits with him.
_HELD_SETS = _SETS.with_for_update(skip_locked=True)
_CLAIM = (
    update(CodeSetRow)
    .where(CodeSetRow.id == bindparam("one"))
    .values(
        state=bindparam("following"),
        claimed_at=bindparam("now"),
        claimed_key=bindparam("key"),
        issuer=bindparam("by"),
        serial=bindparam("number"),
    )
)
_REDEEM = update(CodeSetRow).where(among(CodeSetRow.id)).values(state=bindparam("following"), redeemed_at=bindparam("now"))


@dataclass(frozen=True)
class Try:
    """Codes and a request: what is looked up for them, what says whether the codes are right, and PKCS#10 or what was read."""

    question: Question
    proof: Proof
    request: bytes | RequestedKey
    interface: Interface

    @property
    def now(self) -> datetime:
        """The instant at which it came."""
        return self.question.now


@dataclass(frozen=True)
class Promise:
    """A certificate that T1 reserved for a set and a key."""

    code_set_id: str
    key: RequestedKey
    reserved: CertificateRecord


@dataclass(frozen=True)
class Kept:
    """What came of a promise that its round signed: what T2 gave, `ALONE`, or T2's trouble."""

    signed: bytes
    outcome: Retrieved | Alone | Unavailable


@dataclass(frozen=True)
class Begun:
    """How far a try came in its round: to a promise, kept or not, or to T1's trouble; or what was seen of it, to go on alone."""

    seen: Seen
    promise: Promise | None = None
    trouble: Unavailable | None = None
    kept: Kept | None = None


@dataclass(frozen=True)
class _Draft:
    """What T1 is to promise, to whom."""

    of: Try
    seen: Seen
    code_set_id: str
    key: RequestedKey
    draft: Draft


@dataclass(frozen=True)
class Signed:
    """What T2 is to store."""

    code_set_id: str
    reserved: CertificateRecord
    der: bytes
    interface: Interface
    now: datetime


class Rounds:
    """The two halves of a process's redemptions that need the database: up to the promise, and what follows the signature.

    Both are one round where the key that signs is at hand. They raise Unavailable.
    """

    def __init__(self, database: Database, clock: Clock, authority: Authorities) -> None:
        self._database, self._clock, self._authority = database, clock, authority
        self.company = Company()
        self.beginnings = Gathering(self._begin, self.company)
        self.fulfilments = Gathering(self._fulfil, self.company)

    def begin(self, one: Try) -> Begun:
        """Take a try as far as its round takes it. Whether its codes are wrong is for the caller to say, and to count."""
        begun = self.beginnings.submit(one)
        if begun is ALONE:
            return Begun(guessing.look_alone(self._database, one.question))
        if begun.trouble is not None:
            raise begun.trouble
        return begun

    def finish(self, tries: Sequence[Try]) -> list[Retrieved | None]:
        """Do a round of tries that came together, to its end; None for each that did not come so far, and goes alone.

        Nothing is done where the key that signs is not at hand.
        """
        if not tries or (authority := self._issuing(max(one.now for one in tries))) is None or not authority.is_at_hand:
            return [None] * len(tries)
        try:
            begun = self._begin(tries)
        except (Unavailable, *EXPECTED):
            return [None] * len(tries)
        outcomes = (one.kept.outcome if one.kept else None for one in begun)
        return [outcome if isinstance(outcome, Retrieved) else None for outcome in outcomes]

    def _begin(self, tries: Sequence[Try]) -> list[Begun]:
        now = max(one.now for one in tries)
        authority = self._issuing(now)
        with self._database.snapshot() as session:
            looked = guessing.look_all(session, [one.question for one in tries])
            seen = [found.judged(one.proof) for found, one in zip(looked, tries, strict=True)]
            right = [found.known.code_set_id for found in seen if found.is_right and found.known.code_set_id]
            terms = _terms(session, right, authority, now) if right and authority else {}
        drafts = [
            draft
            for found, one in zip(seen, tries, strict=True)
            if found.is_right and authority and (draft := _drafted(one, found, terms, authority))
        ]
        begun = self._promised(drafts, authority, now) if drafts and authority else {}
        if authority and authority.is_at_hand:
            begun |= self._kept(tries, begun)
        return [begun.get(id(one)) or Begun(found) for found, one in zip(seen, tries, strict=True)]

    def _issuing(self, now: datetime) -> Authority | None:
        """Return who issues now; nobody is told here that there is none, as his codes may be wrong."""
        with suppress(Unavailable):
            return self._authority.at(now)
        return None

    def _promised(self, drafts: Sequence[_Draft], authority: Authority, now: datetime) -> dict[int, Begun]:
        """Do T1 and return how far those came who are usual, by the identity of their tries; nobody if the round fails."""
        try:
            with self._database.transaction() as session:
                return _claim(session, drafts, authority, now)
        except IntegrityError:  # a key was used at this moment: each goes alone, and meets his own fault
            return {}
        except Unavailable as trouble:  # theirs only: wrong tries of the round are counted
            return {id(one.of): Begun(one.seen, trouble=trouble) for one in drafts}

    def _kept(self, tries: Sequence[Try], begun: Mapping[int, Begun]) -> dict[int, Begun]:
        """Sign what was promised and do T2; whoever's certificate could not be signed meets the fault by himself."""
        promised = [(one, done, done.promise) for one in tries if (done := begun.get(id(one))) and done.promise]
        ders = signed_at_once(self._authority, [promise.reserved for _, _, promise in promised])
        now = self._clock.now()
        ready = [
            (id(one), done, Signed(promise.code_set_id, promise.reserved, der, one.interface, now))
            for (one, done, promise), der in zip(promised, ders, strict=True)
            if der is not None
        ]
        outcomes = self._fulfilled([signed for _, _, signed in ready])
        return {
            name: replace(done, kept=Kept(signed.der, outcome))
            for (name, done, signed), outcome in zip(ready, outcomes, strict=True)
        }

    def _fulfilled(self, signed: Sequence[Signed]) -> Sequence[Retrieved | Alone | Unavailable]:
        """Do T2 and return what each is to be told of it."""
        try:
            return self._fulfil(signed) if signed else []
        except Unavailable as trouble:
            return [trouble] * len(signed)
        except EXPECTED:
            return [ALONE] * len(signed)
        except Exception as fault:  # noqa: BLE001 (whoever causes it meets it again when each is done alone)
            _log.warning("T2 of a round of %d failed, each is done alone: %s", len(signed), trace_of(fault))
            return [ALONE] * len(signed)

    def _fulfil(self, signed: Sequence[Signed]) -> list[Retrieved | Alone]:
        """T2: certificates stored, with what follows from them."""
        now = max(one.now for one in signed)
        with self._database.transaction() as session:
            usual, current = _claimed(session, signed)
            done = [one for one in signed if one.code_set_id in usual]
            if done:
                _store(session, done, usual, now)
                followed = {name: row for row in usual.values() if (name := current.get(row.terminal))}
                _supersede(session, followed, now)
            chains = {name: issuers.chain(session, name) for name in {one.reserved.issuer for one in done}}
        return [
            Retrieved(one.reserved.subject, _as_issued(one, now), chains[one.reserved.issuer], is_new=True)
            if one.code_set_id in usual
            else ALONE
            for one in signed
        ]


def _claim(session: Session, drafts: Sequence[_Draft], authority: Authority, now: datetime) -> dict[int, Begun]:
    """T1: all looked at under lock; certificates reserved for those who are usual."""
    usual = _usual(session, [one.code_set_id for one in drafts], now, lock=True)
    locked_out = throttle.locked_among(session, [one.of.question.by_key for one in drafts], now)
    keys = [one.key.spki_sha256 for one in drafts]
    unfit = blocked_keys.blocked_among(session, keys) | certificates.used_keys(session, keys)
    chosen: dict[str, _Draft] = {}
    for one in drafts:
        if one.code_set_id in usual and one.of.question.by_key not in locked_out and one.key.spki_sha256 not in unfit:
            chosen.setdefault(one.code_set_id, one)
    promised = _promise(session, chosen, usual, authority, now)
    return {id(one.of): Begun(one.seen, Promise(name, one.key, promised[one.draft.serial])) for name, one in chosen.items()}


def _terms(session: Session, ids: Sequence[str], authority: Authority, now: datetime) -> Mapping[str, Terms]:
    """Return what the certificates of the usual ones of some sets have to say."""
    usual = _usual(session, ids, now)
    names = offices.certificate_organizations(session, {row.office_code for row in usual.values()})
    partition = authority.partition(session)
    return {
        name: Terms(Subject(row.terminal, row.office_code, names[row.office_code]), row.start_date, partition)
        for name, row in usual.items()
    }


def _drafted(one: Try, seen: Seen, terms: Mapping[str, Terms], authority: Authority) -> _Draft | None:
    """Read a request and draft its certificate; None for whoever is unusual, and whoever is refused: alone he meets it again."""
    code_set_id = seen.known.code_set_id
    found = terms.get(code_set_id) if code_set_id else None
    if found is None or code_set_id is None:
        return None
    try:
        key = requests.read(one.request)
        draft = authority.draft(key, found.subject, found.start_date, one.now, partition=found.partition)
    except (Refused, Unavailable):
        return None
    except Exception as fault:  # noqa: BLE001 (it is met again alone, and told there)
        _log.warning("no draft in a round, it goes alone: %s", trace_of(fault))
        return None
    return _Draft(one, seen, code_set_id, key, draft)


def _usual(session: Session, ids: Sequence[str], now: datetime, *, lock: bool = False) -> _Sets:
    """Return the usual sets, by id; `lock` holds them."""
    rows = _sets(session, ids, CodeSetState.PREPARED, lock=lock)
    states = terminals.states(session, {row.terminal for row in rows.values()})
    today = tokyo_date(now)
    return {
        code_set_id: row
        for code_set_id, row in rows.items()
        if today <= row.expires_on and states.get(row.terminal) in _MAY_RETRIEVE and row.serial is None
    }


def _sets(session: Session, ids: Sequence[str], state: CodeSetState, *, lock: bool) -> _Sets:
    asked = many(ids) | {"wanted": state}
    found = cast("Sequence[_Set]", session.connection().execute(_HELD_SETS if lock else _SETS, asked).all())
    return {row.id: row for row in found}


def _promise(
    session: Session, chosen: Mapping[str, _Draft], usual: _Sets, authority: Authority, now: datetime
) -> dict[str, CertificateRecord]:
    """Reserve certificates and claim the sets for them; return the promises by serial number."""
    if not chosen:
        return {}
    drafts = [one.draft for one in chosen.values()]
    promised = authority.reserve_all(session, drafts, now)
    rows = [usual[code_set_id] for code_set_id in chosen]
    facts = ({"issuer": draft.issuer, "serial": draft.serial} for draft in drafts)
    _record(session, "certificate.reserve", rows, facts, now)
    following = code_sets.LIFECYCLE.step(CodeSetState.PREPARED, CodeSetEvent.CLAIM)
    same = {"following": following, "now": now}
    sets = ((code_set_id, one.draft) for code_set_id, one in chosen.items())
    session.connection().execute(
        _CLAIM,
        [same | {"one": name, "key": draft.spki_sha256, "by": draft.issuer, "number": draft.serial} for name, draft in sets],
    )
    return {record.serial: record for record in promised}


def _claimed(session: Session, signed: Sequence[Signed]) -> tuple[_Sets, Mapping[str, tuple[str, str]]]:
    """Return the sets that are claimed still, and the current certificates of their terminals; all of them are held."""
    rows = _sets(session, [one.code_set_id for one in signed], CodeSetState.CLAIMED, lock=True)
    names = {row.terminal for row in rows.values()}
    states = terminals.states(session, names, lock=True)
    current = credentials.current_among(session, states)
    renewing = successions.open_terminals(session, current) if current else set()
    usual = {
        one.code_set_id: row
        for one in signed
        if (row := rows.get(one.code_set_id)) is not None
        and (row.issuer, row.serial) == (one.reserved.issuer, one.reserved.serial)
        and states.get(row.terminal) in _MAY_RETRIEVE
        and row.terminal not in renewing
    }
    return usual, current


def _store(session: Session, done: Sequence[Signed], usual: _Sets, now: datetime) -> None:
    """Store certificates and what follows; raises RoundFailed when one was abandoned, or its key blocked, meanwhile."""
    if not authorities.complete_all(session, [(one.reserved, one.der) for one in done], now):
        raise RoundFailed
    rows, issued = [usual[one.code_set_id] for one in done], [one.reserved for one in done]
    facts = (
        {"issuer": one.reserved.issuer, "serial": one.reserved.serial, "sha256": hashlib.sha256(one.der).hexdigest()}
        for one in done
    )
    _record(session, "certificate.issue", rows, facts, now)
    following = code_sets.LIFECYCLE.step(CodeSetState.CLAIMED, CodeSetEvent.REDEEM)
    session.connection().execute(_REDEEM, many(row.id for row in rows) | {"following": following, "now": now})
    names = [row.terminal for row in rows]
    credentials.succeed_all(session, list(zip(rows, issued, strict=True)), now)
    reissue_records.complete_all(session, names, now)
    terminals.activate_all(session, names, now)
    lines = ((row.office_code, _target(row.receipt_number), {"terminal": row.terminal}) for row in rows)
    news.publish_each(session, lines, now=now, kind=NewsKind.CERTIFICATE, code="certificate-retrieved")
    ways = [one.interface for one in done]
    receipts.owe_all(session, list(zip(rows, issued, ways, strict=True)), now)


def _supersede(session: Session, followed: Mapping[tuple[str, str], _Set], now: datetime) -> None:
    """Revoke what was followed; last of all, so that the issuers' counters are locked for as short as possible."""
    if followed:
        owners = {name: (row.terminal, row.office_code) for name, row in followed.items()}
        deeds.supersede_all(session, owners, now)


def _record(session: Session, action: str, rows: Sequence[_Set], facts: Iterator[dict[str, str]], now: datetime) -> None:
    subjects = (
        (audit.terminal(row.terminal), audit.Subject(f"terminal:{row.terminal}", row.office_code, said))
        for row, said in zip(rows, facts, strict=True)
    )
    audit.record_each(session, subjects, now=now, action=action)


def _target(receipt_number: str | None) -> str | None:
    return f"id_notice:{receipt_number}" if receipt_number else None


def _as_issued(one: Signed, now: datetime) -> CertificateRecord:
    return replace(one.reserved, state=CertificateState.VALID, der=one.der, issued_at=now)
