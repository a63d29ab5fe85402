"""The check of certificates after the fact: another path than the one that made them, read-only throughout.

Every certificate of a period is read again, judged by other parsers than those that wrote it, and compared with all that
the house and the world say of it: the promise, the issuer, the codes, the approval, the audit log, the lists, the responder.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ca import certificates, inspection, issuers, linting, profile_history, published_status
from ca.findings import Finding, Said
from ca.inspection import SIGNED, Examined, Period
from ca.issuers import Issuer
from ca.own_profiles import OwnProfile
from ca.own_rules import OwnRules
from ca.profile_history import PastProfile
from ca.profiles import TerminalProfile
from ca.published_status import Ask, PublishedLists
from ca.terminal_rules import TerminalRules
from enrollment import provenance, traces
from enrollment.provenance import Provenance
from kernel.database import Database

PIECE = 500
# What happened so lately may not have reached the lists, and could change between two readings.
SETTLED = timedelta(minutes=5)
Progress = Callable[[int, int], None]


def silent(_done: int, _all: int) -> None:
    """Tell nobody how far the check is."""


@dataclass(frozen=True)
class CertificateCheck:
    """Checks certificates. `ask` puts a question to the responder; `crl_folder` is where lists are published.

    `profile` is today's; each certificate is judged by the one that it was made by.
    """

    database: Database
    profile: TerminalProfile
    crl_folder: Path
    ask: Ask

    def run(self, now: datetime, period: Period, progress: Progress = silent) -> tuple[int, list[Finding]]:
        """Check a period; return how many certificates were read, and what was found, by terminal."""
        with self.database.snapshot() as session:
            total = inspection.count(session, period)
            known = {issuer.name: issuer for issuer in issuers.load_all(session)}
        round_ = _Round(self, now, known)
        found = [*round_.certificates(period, lambda done: progress(done, total)), *round_.whole(period)]
        return round_.read, sorted(found, key=lambda one: (one.subject, one.serial, one.code, one.text))


class _Round:
    """One run over a period."""

    def __init__(self, check: CertificateCheck, now: datetime, known: dict[str, Issuer]) -> None:
        self._check, self._now, self._issuers = check, now, known
        self._lists = PublishedLists(check.crl_folder, now)
        self._profiles: dict[str, TerminalProfile] = {}
        self._own_profiles: dict[str, OwnProfile] = {}
        self._allowed: linting.Allowed = ()
        self._keys: list[tuple[bytes, str, str]] = []
        self._responder_answers = True
        self.read = 0

    def certificates(self, period: Period, progress: Callable[[int], None]) -> Iterator[Finding]:
        """Read the period's certificates piece by piece, each piece in one snapshot."""
        after = 0
        while True:
            with self._check.database.snapshot() as session:
                piece = inspection.page(session, period, after=after, most=PIECE)
                if not piece:
                    return
                self._learn(profile_history.past(session))
                origin = provenance.read(session, piece)
            after = piece[-1].number
            yield from self._piece(piece, origin)
            self.read += len(piece)
            progress(self.read)

    def _learn(self, past: Iterable[PastProfile]) -> None:
        """Know the profiles by which a piece's certificates were made; the last ones may be a moment old."""
        known = {one.name: one.profile for one in past}
        self._profiles = {name: one for name, one in known.items() if isinstance(one, TerminalProfile)}
        self._own_profiles = {name: one for name, one in known.items() if isinstance(one, OwnProfile)}
        self._allowed = linting.by_design([self._check.profile, *self._profiles.values()])
        self._allowed += linting.by_design_of_ours(self._own_profiles.values())

    def whole(self, period: Period) -> Iterator[Finding]:
        """Look at what is no single certificate's: keys, traces without a certificate, the lists themselves."""
        yield from traces.shared_keys(self._keys)
        with self._check.database.snapshot() as session:
            yield from traces.findings(session, period)
            yield from traces.profiles(session, profile_history.past(session))
            for record in inspection.living_on_blocked_keys(session, self._now - SETTLED):
                yield Finding("key-blocked", record.subject, record.serial, f"it is {record.state}, and its key is blocked")
            for issuer in self._issuers.values():
                yield from self._lists.verify(issuer)
                listed = (((issuer.name, serial), issuer.name, "the published list") for serial in self._lists.serials(issuer))
                yield from traces.absent(session, listed)

    def _piece(self, piece: Sequence[Examined], origin: Provenance) -> Iterator[Finding]:
        for one in piece:
            yield from self._one(one, origin)
            for text in linting.lint(one.record.der, self._allowed) if one.record.der is not None else ():
                yield _finding(one, "lint", text)
        yield from self._answers([one for one in piece if self._is_settled(one, origin)])

    def _one(self, one: Examined, origin: Provenance) -> Iterator[Finding]:
        record, issuer = one.record, self._issuers.get(one.record.issuer)
        said = [*inspection.row_findings(record), *inspection.document_findings(record, issuer)]
        said += origin.findings(one, self._now)
        if issuer is not None:
            said += self._by_profile(one, issuer, origin) if one.is_terminal else self._by_own_profile(one, issuer)
        if one.is_terminal and issuer is not None and record.state in (*SIGNED, "reserved"):
            self._keys.append((record.spki_sha256, record.subject, record.serial))
        if issuer is not None and self._is_settled(one, origin):
            said += self._lists.findings(record)
        yield from (_finding(one, code, text) for code, text in said)

    def _by_profile(self, one: Examined, issuer: Issuer, origin: Provenance) -> Iterator[Said]:
        """Judge a certificate by the profile that was in force when it was made."""
        profile = self._profiles.get(one.profile or "")
        if profile is None:
            yield "profile-unknown", f"it names {one.profile} as its profile, which nothing is known of"
            return
        yield from TerminalRules(profile, issuer).findings(one.record.tbs, one.record.subject, origin.office_code(one.record))

    def _by_own_profile(self, one: Examined, issuer: Issuer) -> Iterator[Said]:
        """Judge a certificate of our own by what the ceremony's plan said of its kind when it was made."""
        profile = self._own_profiles.get(one.profile or "")
        if profile is None:
            yield "profile-unknown", f"it names {one.profile} as its profile, which nothing is known of"
            return
        linked = self._issuers.get(profile.linked or "")
        yield from OwnRules(profile, issuer, linked, is_first=not one.follows).findings(one.record)

    def _is_settled(self, one: Examined, origin: Provenance) -> bool:
        return self._now - origin.changed_at(one.record) > SETTLED

    def _answers(self, piece: Iterable[Examined]) -> Iterator[Finding]:
        by_issuer: dict[str, list[Examined]] = {}
        for one in piece:
            if one.record.issuer in self._issuers and published_status.names_responder(one.record):
                by_issuer.setdefault(one.record.issuer, []).append(one)
        for name, examined in by_issuer.items():
            yield from self._asked(self._issuers[name], examined)

    def _asked(self, issuer: Issuer, examined: Sequence[Examined]) -> Iterator[Finding]:
        if not self._responder_answers:
            return
        try:
            found = list(published_status.asked([one.record for one in examined], issuer, self._check.ask, self._now))
        except (OSError, ValueError) as error:
            self._responder_answers = False
            yield Finding("ocsp-silent", issuer.name, "", f"the responder can not be asked: {type(error).__name__}")
            return
        if not found:
            return
        with self._check.database.snapshot() as session:
            present = certificates.of_serials(session, {(record.issuer, record.serial) for record, _ in found})
        for record, (code, text) in found:
            # What changed between our reading and the answer is no contradiction.
            if present.get((record.issuer, record.serial)) == record:
                yield Finding(code, record.subject, record.serial, text)


def _finding(one: Examined, code: str, text: str) -> Finding:
    return Finding(code, one.record.subject, one.record.serial, text)
