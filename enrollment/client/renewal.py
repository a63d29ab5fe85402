"""Renewing: the current certificate in, the next one with a new key in its place, and never a moment without a good pair.

    lock, heal → may I, and is it time? → new key on disk → request sent → answer judged → written beside the old pair
    → shown to the door, which must know it → exchanged (`Changeover`) → shown again from its place → old pair deleted

A new key that lies there already skips the questions: it may have a certificate at the door, whose answer was lost.
What time it is is the door's to say: a PC's clock may be off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from enrollment.client import chain, connection
from enrollment.client.changeover import Changeover
from enrollment.client.connection import Server
from enrollment.client.folder import Folder
from enrollment.client.issued import certificates_of, request_of
from enrollment.client.lock import only_one
from enrollment.client.possession import Possession, possession_of
from enrollment.client.report import Report, report_of
from enrollment.renewal_window import window_of
from kernel.clock import tokyo_date
from kernel.errors import Refused

PATH = "/api/v1/renewals"
# Refusals after which the door has promised nothing to the new key, nor will: another try begins anew.
_KEY_IN_VAIN = {"key-used", "key-blocked", "key-weak", "key-unsupported", "csr-malformed", "csr-signature"}
_NOT_NOW = {"renewal-too-early", "renewal-too-late", "renewal-pointless", "reissue-pending"}
# What the door says of a certificate that will never serve.
_WORTHLESS = {"A0036", "E104", "certificate-foreign", "certificate-unreadable"}
_AWAY = {429, 502, 503, 504}


@dataclass(frozen=True)
class Renewed:
    """The new certificate, which lies in its place. `is_proven` when it also served from there; else the next run looks."""

    terminal: str
    serial: str
    not_before: datetime
    not_after: datetime
    files: tuple[Path, ...]
    is_proven: bool


@dataclass(frozen=True)
class NotNow:
    """Nothing was to be done. The days are the window's; `suggested` is the instant from which a run renews.

    `refusal` says why in the door's words, where it is neither too early nor the day that is suggested.
    """

    terminal: str
    first_day: date
    last_day: date
    suggested: datetime
    refusal: Refused | None = None


def renew(folder: Path, server: Server, *, force: bool = False, passphrase: bytes | None = None) -> Renewed | NotNow:
    """Renew when it is time, or with `force` as soon as the window is open; the files keep their names and their form.

    Raises Refused with what the door says (`connection.post`); with what is wrong about the folder (no-certificate, no-key,
    passphrase-needed, passphrase-wrong, folder-unwritable, renewal-running) or the answer (answer-unexpected,
    certificate-of-another-key, certificate-of-another-terminal, chain-broken). The old pair then lies where it was.
    """
    place = Folder(folder, passphrase)
    trusted = chain.roots(server.ca_bundle)
    if not folder.is_dir():
        raise Refused("no-certificate", path=str(folder))
    with only_one(folder):
        change = Changeover(place)
        change.heal()
        return _Run(server, change, possession_of(place), trusted).run(force=force)


@dataclass(frozen=True)
class _Run:
    """One run, under the lock. `old` is what lies in the folder."""

    server: Server
    change: Changeover
    old: Possession
    trusted: Sequence[x509.Certificate]

    def run(self, *, force: bool) -> Renewed | NotNow:
        if not self.change.is_complete():
            waiting = None if self.change.is_begun() else self._reason_to_wait(force=force)
            waiting = waiting or self._request()
            if waiting is not None:
                return waiting
        new = self._prove()
        self.change.exchange()
        return Renewed(
            terminal=chain.common_name(new),
            serial=f"{new.serial_number:x}",
            not_before=new.not_valid_before_utc,
            not_after=new.not_valid_after_utc,
            files=self.old.held.files,
            is_proven=self._serves_in_place(),
        )

    def _reason_to_wait(self, *, force: bool) -> NotNow | None:
        """Return None when now is the time; raise what the door has against it within the window."""
        try:
            report = report_of(self.server, self.old.identity)
        except Refused as refused:
            # Away for a while, and long before anything is to be done: the next run will do.
            estimate = _estimate(self.old.held.certificate, refused)
            if _is_away(refused) and not force and tokyo_date(self.server.clock.now()) < estimate.first_day:
                return estimate
            raise
        self.change.drop_old()
        known = _not_now(report)
        if report.may_renew:
            return None if force or report.is_due else known
        if report.is_barred and report.is_open:
            raise Refused("terminal-barred", terminal=report.terminal)
        if force and not report.is_open:
            days = {"first_day": report.first_day.isoformat(), "last_day": report.last_day.isoformat()}
            raise Refused("renewal-closed", **days)
        return _not_now(report, Refused("reissue-blocks-renewal")) if report.blocked_by_reissue else known

    def _request(self) -> NotNow | None:
        """Ask for the certificate of the new key and keep it beside the old pair; None when that was done."""
        key = self.change.begin()
        try:
            answer = connection.post(self.server, PATH, {"csr": request_of(key)}, self.old.identity)
        except Refused as refused:
            if refused.code in _KEY_IN_VAIN | _NOT_NOW:
                self.change.abandon()
            if refused.code == "renewal-pointless":
                return _estimate(self.old.held.certificate, refused)
            raise
        certificate, above = certificates_of(answer)
        chain.require_own_key(certificate, key)
        chain.require_chain(certificate, above, self.trusted, self.server.clock.now())
        _require_same_terminal(certificate, self.old.held.certificate)
        self.change.staged.keep(certificate, above, chain.common_name(certificate), self.change.folder.form)
        return None

    def _prove(self) -> x509.Certificate:
        """Show the new certificate, as it lies on disk, to the door; raise unless the door takes it for the current one."""
        new = possession_of(self.change.staged)
        try:
            report = report_of(self.server, new.identity)
        except Refused as refused:
            if refused.code in _WORTHLESS:
                self.change.abandon()
            raise
        _require_reported(report, new.held.certificate)
        return new.held.certificate

    def _serves_in_place(self) -> bool:
        try:
            now = possession_of(self.change.folder)
            _require_reported(report_of(self.server, now.identity), now.held.certificate)
        except Refused:
            return False
        self.change.drop_old()
        return True


def _require_same_terminal(new: x509.Certificate, old: x509.Certificate) -> None:
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME):
        if new.subject.get_attributes_for_oid(oid) != old.subject.get_attributes_for_oid(oid):
            raise Refused("certificate-of-another-terminal", terminal=chain.common_name(new))


def _require_reported(report: Report, certificate: x509.Certificate) -> None:
    if (report.serial, report.terminal) != (certificate.serial_number, chain.common_name(certificate)):
        raise Refused("renewal-unproven", terminal=chain.common_name(certificate))


def _not_now(report: Report, refusal: Refused | None = None) -> NotNow:
    return NotNow(report.terminal, report.first_day, report.last_day, report.suggested, refusal)


def _estimate(certificate: x509.Certificate, refused: Refused) -> NotNow:
    """Return what follows from the certificate alone, by the rule that everybody knows."""
    window, terminal = window_of(certificate.not_valid_after_utc), chain.common_name(certificate)
    return NotNow(terminal, window.first_day, window.last_day, window.suggested(terminal), refused)


def _is_away(refused: Refused) -> bool:
    return refused.code == "unreachable" or refused.facts.get("status") in _AWAY
