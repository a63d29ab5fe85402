"""Redemption: codes and a certification request in, one certificate out. Every interface that takes codes ends here.

    throttle, codes, state   snapshot: nothing is written for those who know the codes
    request, key             no transaction
    the rest                 the set is claimed by this key in T1, redeemed in T2; together with others where all is usual
                             (`enrollment.redemption_rounds`), else alone (`enrollment.issuance`)

What a crash leaves behind: before T1 ends, nothing. Between T1 and T2 a claimed set: the same key comes again and the
same TBS is signed, another key is refused. After T2 the same key gets the same certificate. A freeze, replacement,
suspension or revocation that lands between T1 and T2 wins, because T2 looks before it stores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from itertools import islice

from sqlalchemy.orm import Session

from ca import certificates, requests
from ca.authority import Authorities, Authority, Draft
from ca.certificates import CertificateRecord
from ca.profiles import Subject
from ca.requests import RequestedKey
from enrollment import code_sets, credentials, guessing, letters, receipts, reissue_records, suspensions
from enrollment import codes as code_rules
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.codes import Codes
from enrollment.deeds import Deed
from enrollment.interfaces import Interface
from enrollment.issuance import Issuance, Retrieved, require_good, subject_of
from enrollment.redemption_rounds import Kept, Promise, Rounds, Signed, Try
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.clock import Clock, tokyo_date
from kernel.database import Database, OutcomeUnknown
from kernel.errors import Refused, Unavailable
from keys.codes import CodeHasher
from registry import news, terminals
from registry.letters import Letters
from registry.news import NewsKind
from registry.states import TerminalEvent, TerminalState

__all__ = ["Asked", "Redemption", "Retrieved"]


# Access keys with which somebody was not usual, at most.
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Asked:
    """Codes and a PKCS#10 request that somebody sent from an address."""

    codes: Codes
    request: bytes
    source: str


@dataclass(frozen=True)
class Redemption:
    """Redeems code sets."""

    database: Database
    clock: Clock
    authority: Authorities
    hasher: CodeHasher
    letters: Letters = letters.PLAIN

    def redeem(
        self, codes: Codes, request: bytes | requests.RequestedKey, source: str, interface: Interface = Interface.REST
    ) -> Retrieved:
        """Redeem codes for the public key of a request; `source` is the caller's address, `interface` what he came by.

        The request is PKCS#10 in PEM or DER, or was read already.

        Raises Refused: "codes-wrong" (one answer for all that may be wrong), "throttled"; once the codes are right
        "codes-frozen", "codes-expired", "codes-replaced", "codes-spent" (another key has them), "terminal-suspended",
        "terminal-abolished", "certificate-held", "certificate-revoked"; "csr-…" and "key-…" for the request; and
        Unavailable, after which the same call may be made again.
        """
        now = self.clock.now()
        with self._rounds.company.joined():
            one = self._try(codes, request, source, interface, now=now)
            begun = self._rounds.begin(one)
            way = _Together(self.database, self.clock, self.authority, self.letters, rounds=self._rounds)
            if (promise := begun.promise) is not None:
                entitlement = _OpenCodes(promise.code_set_id, codes, self.hasher, interface)
                if begun.kept is not None:
                    return way.settle(entitlement, promise, begun.kept)
                return way.keep(entitlement, promise.key, promise.reserved)
            code_set_id = guessing.prove(self.database, one.question.digest, one.proof, source, now, lambda _question: begun.seen)
            return way.issue(_OpenCodes(code_set_id, codes, self.hasher, interface), requests.read(request), now)

    def redeem_usual(self, asked: Sequence[Asked], interface: Interface = Interface.REST) -> list[Retrieved | None]:
        """Redeem those of many who are usual, in one round of their own, where the key that signs is at hand.

        None for everybody else, of whom nothing was counted: `redeem` tells them what is wrong, and takes up what was promised
        them. Whoever was not usual once is left to it for a long time, by his access key, and of several with the same one all
        but the first are: so guesses that come at the same moment do not outrun their counting. For one thread.
        """
        now = self.clock.now()
        tries = [self._try(one.codes, one.request, one.source, interface, now=now) for one in asked]
        chosen = {one.question.digest: one for one in reversed(tries) if one.question.digest not in self._left}
        done = dict(zip(chosen, self._rounds.finish(list(chosen.values())), strict=True))
        self._leave([digest for digest, retrieved in done.items() if retrieved is None])
        return [done[one.question.digest] if chosen.get(one.question.digest) is one else None for one in tries]

    def _try(self, codes: Codes, request: bytes | RequestedKey, source: str, interface: Interface, *, now: datetime) -> Try:
        digest = code_rules.access_key_digest(self.hasher, codes.access_key)
        return Try(guessing.question_of(digest, source, now), guessing.proof_of(self.hasher, codes), request, interface)

    def _leave(self, digests: Sequence[bytes]) -> None:
        """Remember who is not usual, up to a bound; who came first is forgotten first."""
        self._left.update(dict.fromkeys(digests))
        for digest in list(islice(self._left, max(0, len(self._left) - _REMEMBERED))):
            del self._left[digest]

    @cached_property
    def _left(self) -> dict[bytes, None]:
        """The access keys' digests with which somebody was not usual."""
        return {}

    @cached_property
    def _rounds(self) -> Rounds:
        """What this process's redemptions meet in."""
        return Rounds(self.database, self.clock, self.authority)


@dataclass(frozen=True)
class _OpenCodes:
    """A code set whose codes somebody knows."""

    code_set_id: str
    codes: Codes
    hasher: CodeHasher
    interface: Interface

    def given(self, session: Session, spki_sha256: bytes, now: datetime, *, lock: bool = False) -> CertificateRecord | None:
        """Return the certificate that this key claimed the set for; raise the refusal that fits the set's state."""
        if lock:
            row = code_sets.locked(session, self.code_set_id)
            guessing.require_unlocked(session, self.hasher, self.codes, now)
        else:
            row = self._row(session)
        _require_usable(session, row, spki_sha256, now)
        return _certificate(session, row)

    def require_open(self, session: Session, now: datetime) -> None:
        """Agree: what `given` lets pass may be redeemed."""

    def terms(self, session: Session) -> tuple[Subject, date]:
        """Return the set's terminal and the start date for which it was made."""
        row = self._row(session)
        return subject_of(session, row.terminal, row.office_code), row.start_date

    def promise(self, session: Session, authority: Authority, draft: Draft, now: datetime) -> CertificateRecord:
        """Claim the set for the draft's key."""
        row = self._row(session)
        deed = _deed(session, row, now)
        if row.issuer is not None and row.serial is not None:
            deed.abandon(row.issuer, row.serial, cause="stale")
            session.flush()
        reserved = deed.reserve(authority, draft)
        if row.state == CodeSetState.PREPARED:
            row.state = code_sets.LIFECYCLE.step(CodeSetState.PREPARED, CodeSetEvent.CLAIM)
        row.claimed_key, row.claimed_at = draft.spki_sha256, now
        row.issuer, row.serial = draft.issuer, draft.serial
        return reserved

    def fulfil(self, session: Session, reserved: CertificateRecord, signed: bytes, now: datetime) -> bool:
        """Redeem the set, unless it or its terminal was stopped meanwhile."""
        row = code_sets.locked(session, self.code_set_id)
        if row.state != CodeSetState.CLAIMED or row.serial != reserved.serial:
            return False
        terminal = terminals.get(session, row.terminal, lock=True)
        if terminal is None or terminal.state not in (TerminalState.PENDING, TerminalState.IN_SERVICE):
            return False
        if not _deed(session, row, now).issue(reserved, signed):
            return False
        row.state = code_sets.LIFECYCLE.step(CodeSetState.CLAIMED, CodeSetEvent.REDEEM)
        row.redeemed_at = now
        credentials.succeed(session, row, now)
        reissue_records.complete(session, row.terminal, now)
        if terminal.state == TerminalState.PENDING:
            terminals.step(session, row.terminal, TerminalEvent.ACTIVATE, now)
        _tell(session, row, reserved, self.interface, now)
        return True

    def _row(self, session: Session) -> CodeSetRow:
        return session.get_one(CodeSetRow, self.code_set_id)


@dataclass(frozen=True)
class _Together(Issuance[_OpenCodes]):
    """The way whose end is done for all who come at the same moment; whoever is left out of a round goes it alone."""

    rounds: Rounds = field(kw_only=True)

    def settle(self, entitlement: _OpenCodes, promise: Promise, kept: Kept) -> Retrieved:
        """Return what came of a promise that its round signed; raises what T2 met."""
        if isinstance(kept.outcome, Retrieved):
            return kept.outcome
        if isinstance(kept.outcome, OutcomeUnknown):
            # The row knows; assume nothing.
            return self._answer(entitlement, promise.key.spki_sha256, is_new=False)
        if isinstance(kept.outcome, Unavailable):
            raise kept.outcome
        return super()._finish(entitlement, promise.key, promise.reserved, kept.signed)

    def _finish(self, entitlement: _OpenCodes, key: RequestedKey, reserved: CertificateRecord, signed: bytes) -> Retrieved:
        try:
            stored = Signed(entitlement.code_set_id, reserved, signed, entitlement.interface, self.clock.now())
            kept = Kept(signed, self.rounds.fulfilments.submit(stored))
        except Unavailable as trouble:
            kept = Kept(signed, trouble)
        return self.settle(entitlement, Promise(entitlement.code_set_id, key, reserved), kept)


def _require_usable(session: Session, row: CodeSetRow, spki_sha256: bytes, now: datetime) -> None:
    """Raise the refusal that fits the state of a set whose codes are right."""
    # The terminal first: its suspension froze the codes and its abolition replaced them, and that is what helps to know.
    terminal = terminals.get(session, row.terminal)
    if terminal is None or terminal.state == TerminalState.ABOLISHED:
        raise Refused("terminal-abolished", terminal=row.terminal)
    if terminal.state == TerminalState.SUSPENDED:
        raise suspensions.refusal(terminal)
    state = CodeSetState(row.state)
    if state in (CodeSetState.FROZEN, CodeSetState.REPLACED, CodeSetState.EXPIRED):
        raise Refused(f"codes-{state.value}", terminal=row.terminal)
    if state != CodeSetState.REDEEMED and tokyo_date(now) > row.expires_on:
        raise Refused("codes-expired", terminal=row.terminal, last_day=row.expires_on.isoformat())
    if state in (CodeSetState.CLAIMED, CodeSetState.REDEEMED) and row.claimed_key != spki_sha256:
        raise Refused("codes-spent", terminal=row.terminal)
    if state == CodeSetState.REDEEMED:
        require_good(_certificate(session, row), row.terminal)


def _certificate(session: Session, row: CodeSetRow) -> CertificateRecord | None:
    if row.issuer is None or row.serial is None:
        return None
    return certificates.find(session, row.issuer, row.serial)


def _deed(session: Session, row: CodeSetRow, now: datetime) -> Deed:
    return Deed(session, audit.terminal(row.terminal), now, row.terminal, row.office_code)


def _tell(session: Session, row: CodeSetRow, issued: CertificateRecord, interface: Interface, now: datetime) -> None:
    """Tell the office of an issuance, in its transaction."""
    news.publish(
        session,
        now=now,
        office_code=row.office_code,
        kind=NewsKind.CERTIFICATE,
        code="certificate-retrieved",
        target=f"id_notice:{row.receipt_number}" if row.receipt_number else None,
        terminal=row.terminal,
    )
    receipts.owe(session, row, issued, interface, now)
