"""The usual redemption, for many at once: two looks, T1 and T2, each one transaction for all who are there at the same moment.

Usual is a prepared set whose days are not over, of a terminal that is pending or in service, by a key that nobody used, of
whoever is not locked out; at T2, a first certificate. All of it is looked at under the locks, in the order of
`code_sets.locked`, rows of a table by terminal. Whatever is unusual is answered `ALONE` and goes the way of
`enrollment.issuance` by itself, as does everybody of a round that fails (docs/decisions/0034-redemptions-in-rounds.md).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from ca import authority as authorities
from ca import blocked_keys, certificates, issuers
from ca.authority import Authority, Draft
from ca.certificates import CertificateRecord, CertificateState
from ca.profiles import Subject
from enrollment import code_sets, credentials, guessing, receipts, reissue_records
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.guessing import Question, Seen
from enrollment.interfaces import Interface
from enrollment.issuance import Retrieved, Terms
from enrollment.tables import CodeSetRow
from kernel import audit, throttle
from kernel.clock import tokyo_date
from kernel.database import MANY, Database, many
from kernel.gathering import ALONE, Alone, Company, Gathering
from registry import news, offices, terminals
from registry.news import NewsKind
from registry.states import TerminalState

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
_SETS = select(*_COLUMNS).where(CodeSetRow.id.in_(MANY), CodeSetRow.state == bindparam("wanted")).order_by(CodeSetRow.terminal)
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
_REDEEM = update(CodeSetRow).where(CodeSetRow.id.in_(MANY)).values(state=bindparam("following"), redeemed_at=bindparam("now"))


class RoundFailed(Exception):
    """Somebody of the round can not have what he came for: it is rolled back, and each goes alone."""


@dataclass(frozen=True)
class Asked:
    """A key for which a set of codes, which the caller knows, is to be redeemed; `lock` is the throttle key of the codes."""

    code_set_id: str
    lock: str
    spki_sha256: bytes
    authority: Authority
    now: datetime


@dataclass(frozen=True)
class Claim:
    """What T1 is to promise."""

    asked: Asked
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
    """The four steps of a process's redemptions that need the database. They raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.company = Company()
        self.questions = Gathering(self._ask, self.company)
        self.looks = Gathering(self._look, self.company)
        self.claims = Gathering(self._claim, self.company)
        self.fulfilments = Gathering(self._fulfil, self.company)

    def ask(self, question: Question) -> Seen:
        """Look up what a try needs (`enrollment.guessing`)."""
        seen = self.questions.submit(question)
        return guessing.look_alone(self._database, question) if seen is ALONE else seen

    def _ask(self, questions: Sequence[Question]) -> list[Seen]:
        with self._database.snapshot() as session:
            return guessing.look_all(session, questions)

    def _look(self, asked: Sequence[Asked]) -> list[Terms | Alone]:
        with self._database.snapshot() as session:
            usual = _usual(session, asked)
            used = certificates.used_keys(session, [one.spki_sha256 for one in asked])
            names = offices.certificate_organizations(session, {row.office_code for row in usual.values()})
            partitions = {one.authority: one.authority.partition(session) for one in asked}
        return [
            Terms(_subject(row, names), row.start_date, partitions[one.authority])
            if (row := usual.get(one.code_set_id)) is not None and one.spki_sha256 not in used
            else ALONE
            for one in asked
        ]

    def _claim(self, claims: Sequence[Claim]) -> list[CertificateRecord | Alone]:
        """T1: all rechecked under lock; certificates reserved for those who are usual."""
        asked, now = [claim.asked for claim in claims], max(claim.asked.now for claim in claims)
        with self._database.transaction() as session:
            usual = _usual(session, asked, lock=True)
            locked_out = throttle.locked_among(session, [one.lock for one in asked], now)
            blocked = blocked_keys.blocked_among(session, [one.spki_sha256 for one in asked])
            chosen: dict[str, Claim] = {}
            for claim in claims:
                one = claim.asked
                is_clear = one.lock not in locked_out and one.spki_sha256 not in blocked
                if is_clear and one.code_set_id in usual and one.authority is asked[0].authority:
                    chosen.setdefault(one.code_set_id, claim)
            promised = _promise(session, chosen, usual, now)
        return [promised.get(claim.draft.serial, ALONE) for claim in claims]

    def _fulfil(self, signed: Sequence[Signed]) -> list[Retrieved | Alone]:
        """T2: first certificates stored, with what follows from them."""
        now = max(one.now for one in signed)
        with self._database.transaction() as session:
            usual = _claimed(session, signed)
            done = [one for one in signed if one.code_set_id in usual]
            if done:
                _store(session, done, usual, now)
            chains = {name: issuers.chain(session, name) for name in {one.reserved.issuer for one in done}}
        return [
            Retrieved(one.reserved.subject, _as_issued(one, now), chains[one.reserved.issuer], is_new=True)
            if one.code_set_id in usual
            else ALONE
            for one in signed
        ]


def _usual(session: Session, asked: Sequence[Asked], *, lock: bool = False) -> _Sets:
    """Return the usual sets, by id; `lock` holds them."""
    rows = _sets(session, [one.code_set_id for one in asked], CodeSetState.PREPARED, lock=lock)
    states = terminals.states(session, {row.terminal for row in rows.values()})
    today = tokyo_date(max(one.now for one in asked))
    return {
        code_set_id: row
        for code_set_id, row in rows.items()
        if today <= row.expires_on and states.get(row.terminal) in _MAY_RETRIEVE and row.serial is None
    }


def _sets(session: Session, ids: Sequence[str], state: CodeSetState, *, lock: bool) -> _Sets:
    asked = many(ids) | {"wanted": state}
    found = cast("Sequence[_Set]", session.connection().execute(_HELD_SETS if lock else _SETS, asked).all())
    return {row.id: row for row in found}


def _subject(row: _Set, names: Mapping[str, str]) -> Subject:
    return Subject(row.terminal, row.office_code, names[row.office_code])


def _promise(session: Session, chosen: Mapping[str, Claim], usual: _Sets, now: datetime) -> dict[str, CertificateRecord]:
    """Reserve certificates and claim the sets for them; return the promises by serial number."""
    if not chosen:
        return {}
    drafts = [claim.draft for claim in chosen.values()]
    authority = next(iter(chosen.values())).asked.authority
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


def _claimed(session: Session, signed: Sequence[Signed]) -> _Sets:
    """Return the sets that are claimed still, of terminals that get their first certificate; with these they are held."""
    rows = _sets(session, [one.code_set_id for one in signed], CodeSetState.CLAIMED, lock=True)
    names = {row.terminal for row in rows.values()}
    states = terminals.states(session, names, lock=True)
    unusual = credentials.present_among(session, names) | reissue_records.open_among(session, names)
    return {
        one.code_set_id: row
        for one in signed
        if (row := rows.get(one.code_set_id)) is not None
        and (row.issuer, row.serial) == (one.reserved.issuer, one.reserved.serial)
        and states.get(row.terminal) in _MAY_RETRIEVE
        and row.terminal not in unusual
    }


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
    credentials.begin_all(session, list(zip(rows, issued, strict=True)), now)
    terminals.activate_all(session, [row.terminal for row in rows], now)
    lines = ((row.office_code, _target(row.receipt_number), {"terminal": row.terminal}) for row in rows)
    news.publish_each(session, lines, now=now, kind=NewsKind.CERTIFICATE, code="certificate-retrieved")
    ways = [one.interface for one in done]
    receipts.owe_all(session, list(zip(rows, issued, ways, strict=True)), now)


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
