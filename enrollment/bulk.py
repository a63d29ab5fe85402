"""Revoking many certificates in one deed: in batches that commit one by one, so that an interrupted deed is taken up again.

Whoever names the same certificates again revokes what is left; what was revoked before stays as it was.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from ca import blocked_keys, certificates
from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment import code_sets, letters, successions
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.deeds import Ending, give_up, owner_of, revoke_many
from enrollment.letters import Envelope
from enrollment.successions import RenewalState
from kernel.clock import Clock
from kernel.database import Database
from registry import news, terminals
from registry.letters import Letters
from registry.news import NewsKind
from registry.terminals import Terminal

BATCH = 500
_TERMINAL = re.compile(r"[0-9]{5}[A-Z]")
_CERTIFICATE = re.compile(r"([A-Za-z0-9_-]+):0*([0-9A-Fa-f]{1,40})")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Preview:
    """What a deed would do: how many certificates it would revoke, and how many retrievals under way it would stop.

    `unknown` are the names that name nothing, `ended` those of which nothing is left to revoke.
    """

    certificates: int
    being_made: int
    unknown: tuple[str, ...]
    ended: tuple[str, ...]


@dataclass(frozen=True)
class Revoked:
    """What a deed did."""

    certificates: int
    being_made: int


@dataclass(frozen=True)
class _Aim:
    """A batch, resolved: certificates with their terminal or service; terminals that were named; what named nothing.

    `promised` are certificates that are being made and were named by their serial number.
    """

    owners: dict[tuple[str, str], str]
    promised: dict[tuple[str, str], str]
    terminals: frozenset[str]
    unknown: tuple[str, ...]
    ended: tuple[str, ...]


@dataclass(frozen=True)
class BulkRevocation:
    """Revokes by name: a terminal's (all its certificates that are good or held) or `ISSUER:SERIAL` in hexadecimal."""

    database: Database
    clock: Clock
    letters: Letters = letters.PLAIN

    def preview(self, names: Iterable[str], reason: Reason | None = None) -> Preview:
        """Tell what `revoke` would do now; after a compromise with all that stands on the same keys."""
        count = being_made = 0
        unknown: list[str] = []
        ended: list[str] = []
        for batch in _batches(names):
            with self.database.snapshot() as session:
                aim = _aim(session, batch, reason)
                claimed = code_sets.claimed_terminals(session, aim.terminals)
                claimed |= successions.open_terminals(session, aim.terminals, (RenewalState.CLAIMED,))
            count += len(aim.owners)
            being_made += len(claimed.union(aim.promised.values()))
            unknown += aim.unknown
            ended += [name for name in aim.ended if name not in claimed]
        return Preview(count, being_made, tuple(unknown), tuple(ended))

    def revoke(self, names: Iterable[str], ending: Callable[[datetime], Ending], progress: Progress | None = None) -> Revoked:
        """Revoke what the names name; names that name nothing are passed over.

        `ending` says why and by whom, at the instant that it gets. `progress(done, all)` is told after each batch how
        many names are done. Raises Refused("invalid-since-future").
        """
        batches = list(_batches(names))
        total, done, revoked, stopped = sum(map(len, batches)), 0, 0, 0
        for batch in batches:
            with self.database.transaction() as session:
                batch_revoked, batch_stopped = _revoke(session, batch, ending(self.clock.now()), self.letters)
            revoked, stopped, done = revoked + batch_revoked, stopped + batch_stopped, done + len(batch)
            if progress is not None:
                progress(done, total)
        return Revoked(revoked, stopped)


def _batches(names: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield names without repetitions, in an order that keeps one office's terminals mostly together."""
    unique = sorted({name.strip() for name in names} - {""})
    for begin in range(0, len(unique), BATCH):
        yield unique[begin : begin + BATCH]


def _aim(session: Session, names: Sequence[str], reason: Reason | None) -> _Aim:
    """Resolve a batch; after a compromise with what else stands on its keys, as if it had been named."""
    aim = _resolve(session, names)
    if reason is None or not reason.is_compromise:
        return aim
    beside = blocked_keys.siblings(session, {*aim.owners, *aim.promised})
    return _resolve(session, [*names, *(f"{issuer}:{serial}" for issuer, serial in sorted(beside))]) if beside else aim


def _resolve(session: Session, names: Sequence[str]) -> _Aim:
    found = terminals.states(session, [name for name in names if _TERMINAL.fullmatch(name)])
    owners = certificates.living(session, list(found))
    having = set(owners.values())
    unknown = [name for name in names if name not in found and not _CERTIFICATE.fullmatch(name)]
    ended = [name for name in found if name not in having]
    wanted = {(match[1], match[2].lower()): name for name in names if (match := _CERTIFICATE.fullmatch(name))}
    records = certificates.of_serials(session, set(wanted)) if wanted else {}
    promised: dict[tuple[str, str], str] = {}
    for key, name in wanted.items():
        record = records.get(key)
        if record is None:
            unknown.append(name)
        elif record.state in (CertificateState.VALID, CertificateState.HELD):
            owners[key] = record.subject
        elif record.state == CertificateState.RESERVED:
            promised[key] = record.subject
        else:
            ended.append(name)
    return _Aim(owners, promised, frozenset(found), tuple(unknown), tuple(ended))


def _revoke(session: Session, names: Sequence[str], ending: Ending, words: Letters) -> tuple[int, int]:
    # The order of locks: code sets, terminals, certificates, at last the issuer's counter (`code_sets.locked`).
    aim = _aim(session, names, ending.reason)
    rows = code_sets.open_sets(session, aim.terminals.union(aim.promised.values()))
    owning = terminals.named(session, {*aim.terminals, *aim.promised.values(), *aim.owners.values()}, lock=True)
    stopped = 0
    for row in rows:
        is_meant = row.terminal in aim.terminals or (row.issuer, row.serial) in aim.promised
        if is_meant and row.state == CodeSetState.CLAIMED:
            code_sets.leave(session, row, CodeSetEvent.FREEZE, ending.now, actor=ending.actor, reason=ending.reason.value)
            stopped += 1
    stopped += _give_up(session, aim.promised, owning, ending)
    # Looked up again under lock: a retrieval may have ended meanwhile, and what was promised may be good.
    owners = aim.owners | aim.promised | certificates.living(session, aim.terminals)
    whose = {key: owner_of(subject, owning.get(subject)) for key, subject in owners.items()}
    ended = revoke_many(session, whose, ending).ended
    concerned = aim.terminals.union(certificate.subject for certificate in ended)
    stopped += _end_renewals(session, concerned.intersection(owning), ending)
    _tell(session, [owning[certificate.subject] for certificate in ended if certificate.subject in owning], ending, words)
    return len(ended), stopped


def _give_up(
    session: Session, promised: Mapping[tuple[str, str], str], owning: Mapping[str, Terminal], ending: Ending
) -> int:  # fmt: skip
    """Abandon what was promised without codes (`code_sets.leave` did it for the others)."""
    records = certificates.of_serials(session, set(promised)).values() if promised else ()
    left = [record for record in records if record.state == CertificateState.RESERVED]
    for record in left:
        renewal = successions.of_certificate(session, record.issuer, record.serial)
        if renewal is None:
            give_up(session, record, owner_of(record.subject, owning.get(record.subject)), ending)
        else:
            successions.give_up(session, renewal, ending.now, actor=ending.actor, reason=ending.reason)
    return len(left)


def _end_renewals(session: Session, names: Collection[str], ending: Ending) -> int:
    """End renewals under way, as each revocation does; return how many certificates were just being made."""
    being_made = successions.open_terminals(session, names, (RenewalState.CLAIMED,))
    for name in sorted(successions.open_terminals(session, names)):
        successions.end(session, name, ending.now, actor=ending.actor, reason=ending.reason)
    return len(being_made)


def _tell(session: Session, ended: Iterable[Terminal], ending: Ending, words: Letters) -> None:
    """Write a line of news for each terminal and one mail for each office."""
    offices: dict[str, list[str]] = defaultdict(list)
    named = {terminal.name: terminal.office_code for terminal in ended}
    for name, office_code in named.items():
        offices[office_code].append(name)
    lines = [(office_code, {"terminal": name}) for name, office_code in named.items()]
    news.publish_all(session, lines, now=ending.now, kind=NewsKind.CERTIFICATE, code="certificate-revoked")
    for office_code, names in offices.items():
        to = Envelope(session, words, office_code, ending.now)
        if len(names) == 1:
            letters.post_revoked(to, names[0], ending.reason.value)
        else:
            letters.post_revoked_together(to, names, ending.reason.value)
