"""Two redemptions as they must not be, to show that the checks of these tests can see.

They use the product's own parts in a wrong order: one signs and answers before anything is stored, the other one
spends the code before there is a certificate for it.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import authority, certificates, issuers, requests
from ca.authority import Authority, Draft
from ca.certificates import CertificateRecord, CertificateState
from ca.profiles import Subject
from enrollment import code_sets, credentials, guessing
from enrollment.code_sets import CodeSetState
from enrollment.codes import Codes
from enrollment.redemption import Retrieved
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused, Unavailable
from keys.codes import CodeHasher
from registry import terminals
from registry.states import TerminalEvent, TerminalState


@dataclass(frozen=True)
class Planted:
    """What both have in common; `pause` is in seconds and makes the window wider."""

    database: Database
    clock: Clock
    authority: Authority
    hasher: CodeHasher
    pause: float = 0.0
    _sleep: threading.Event = field(default_factory=threading.Event, repr=False)
    _later: list[threading.Thread] = field(default_factory=list, repr=False)

    def _wait(self) -> None:
        self._sleep.wait(self.pause)

    def _set_and_draft(self, codes: Codes, request: bytes, source: str) -> tuple[CodeSetRow, Draft]:
        now = self.clock.now()
        code_set_id = guessing.authenticate(self.database, self.hasher, codes, source, now)
        key = requests.read(request)
        with self.database.snapshot() as session:
            row = session.get_one(CodeSetRow, code_set_id)
        return row, self.authority.draft(key, Subject(row.terminal, row.office_code, "NAC Trading"), row.start_date, now)

    def _present(self, row: CodeSetRow, key: bytes) -> Retrieved:
        """Answer from the rows as the product does."""
        with self.database.snapshot() as session:
            found = certificates.find(session, row.issuer or "", row.serial or "")
            chain = issuers.chain(session, found.issuer) if found else ()
        if found is None or found.der is None or row.claimed_key != key:
            raise Refused("codes-spent")
        return Retrieved(row.terminal, found, chain, is_new=False)

    def _complete(self, session: Session, row: CodeSetRow, draft: Draft, der: bytes) -> None:
        now = self.clock.now()
        authority.complete(session, draft.issuer, draft.serial, der, now)
        credentials.succeed(session, row, now)
        terminal = terminals.get(session, row.terminal, lock=True)
        if terminal is not None and terminal.state is TerminalState.PENDING:
            terminals.step(session, row.terminal, TerminalEvent.ACTIVATE, now)
        audit.record(
            session,
            now=now,
            actor=audit.terminal(row.terminal),
            action="certificate.issue",
            subject=f"terminal:{row.terminal}",
            serial=draft.serial,
        )


class AnswersBeforeStoring(Planted):
    """Signs what nobody stored and leaves the storing for later: fast, and wrong."""

    def settle(self) -> None:
        """Wait for everything that was left for later."""
        while self._later:
            self._later.pop().join()

    def redeem(self, codes: Codes, request: bytes, source: str) -> Retrieved:
        """Redeem as the product's `Redemption.redeem` does, in the wrong order."""
        row, draft = self._set_and_draft(codes, request, source)
        if row.state != CodeSetState.PREPARED:
            return self._present(row, draft.spki_sha256)
        promised = CertificateRecord(
            issuer=draft.issuer,
            serial=draft.serial,
            subject=draft.subject,
            state=CertificateState.RESERVED,
            spki_sha256=draft.spki_sha256,
            tbs=draft.tbs,
            der=None,
            not_before=draft.not_before,
            not_after=draft.not_after,
            reserved_at=self.clock.now(),
            issued_at=None,
            revoked_at=None,
            reason=None,
        )
        der = self.authority.sign(promised)
        self._later.append(threading.Thread(target=self._store, args=(row.id, draft, der)))
        self._later[-1].start()
        record = CertificateRecord(**{**vars(promised), "der": der, "state": CertificateState.VALID})
        return Retrieved(row.terminal, record, (), is_new=True)

    def _store(self, code_set_id: str, draft: Draft, der: bytes) -> None:
        self._wait()
        now = self.clock.now()
        with suppress(Unavailable), self.database.transaction() as session:
            row = code_sets.locked(session, code_set_id)
            if row.state != CodeSetState.PREPARED:
                return
            self.authority.reserve(session, draft, now)
            row.state = CodeSetState.REDEEMED
            row.claimed_key, row.claimed_at, row.redeemed_at = draft.spki_sha256, now, now
            row.issuer, row.serial = draft.issuer, draft.serial
            session.flush()
            self._complete(session, row, draft, der)


class BurnsFirst(Planted):
    """Marks the code as used in a transaction of its own, so that nobody can use it twice, and goes on from there."""

    def redeem(self, codes: Codes, request: bytes, source: str) -> Retrieved:
        """Redeem as the product's `Redemption.redeem` does, in the wrong order."""
        row, draft = self._set_and_draft(codes, request, source)
        now = self.clock.now()
        with self.database.transaction() as session:
            row = session.scalars(select(CodeSetRow).where(CodeSetRow.id == row.id).with_for_update()).one()
            first = row.state == CodeSetState.PREPARED
            if first:
                row.state = CodeSetState.REDEEMED
                row.claimed_key, row.claimed_at, row.redeemed_at = draft.spki_sha256, now, now
                row.issuer, row.serial = draft.issuer, draft.serial
        if not first:
            return self._present(row, draft.spki_sha256)
        self._wait()
        with self.database.transaction() as session:
            reserved = self.authority.reserve(session, draft, now)
        der = self.authority.sign(reserved)
        with self.database.transaction() as session:
            row = code_sets.locked(session, row.id)
            self._complete(session, row, draft, der)
        return self._present(row, draft.spki_sha256)
