"""Diagnosis: the folder, the way to the terminals door, and what the door knows. Changes nothing in the folder.

Nor at the door; but a logon is a logon: with `access_key`, a renewed certificate's first one ends the old certificate.
"""

import re
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from enrollment.client import chain, logon, report
from enrollment.client.changeover import Changeover
from enrollment.client.connection import Server
from enrollment.client.findings import Check, Diagnosis, Finding, Verdict, fault, good, notice, skipped, told
from enrollment.client.folder import Folder, Holding
from enrollment.client.possession import Possession, possession_of
from enrollment.client.report import Report, report_of
from enrollment.client.way import way_to
from kernel.errors import Refused

# A clock that is further off makes good certificates look expired or not yet valid.
CLOCK_TOLERANCE = timedelta(minutes=5)
# So near to its end, a certificate that could be renewed and was not is a fault.
URGENT = timedelta(days=7)
_BROKEN = 500
# What is told of a suspension by rule.
_BY_RULE = {1: "suspended-by-rule-1", 2: "suspended-by-rule-2", 3: "suspended-by-rule-3"}
# The door's refusals of a certificate, by the codes that the help desk knows; a code of the domain stands for itself.
_CODES = {
    "certificate-foreign": "A0035",
    "certificate-unreadable": "A0035",
    "terminal-abolished": "A0010",
    "not-found": "E101",
    "answer-unexpected": "E112",
}
_DOMAIN_CODE = re.compile(r"A\d{4}|E\d{3}")
_ASKED = (Check.CLOCK, Check.TERMINAL, Check.RENEWAL, Check.REISSUE, Check.LOGON)


def examine(folder: Path, server: Server, *, access_key: str | None = None, passphrase: bytes | None = None) -> Diagnosis:
    """Look at everything that can be looked at, and return a finding for each check; with `access_key` try the logon, too."""
    examination = _Examination(Folder(folder, passphrase), server, server.clock.now())
    return Diagnosis(tuple(examination.findings(access_key)))


@dataclass(frozen=True)
class _Examination:
    place: Folder
    server: Server
    now: datetime

    def findings(self, access_key: str | None) -> list[Finding]:
        held, found = self._folder()
        way = way_to(self.server)
        found += [self._trust(held), *way]
        if any(finding.verdict is Verdict.FAULT for finding in way):
            reached = {finding.check for finding in way}
            on_the_way = (Check.PROXY, Check.NAME, Check.CONNECTION, Check.TLS)
            return found + [skipped(check) for check in (*on_the_way, *_ASKED) if check not in reached]
        mine = self._possession()
        return [*found, *self._door(mine), self._logon(mine, access_key)]

    def _folder(self) -> tuple[Holding | None, list[Finding]]:
        try:
            held = self.place.holding()
        except Refused as refused:
            # Without a passphrase PKCS#12 is closed, which is as it should be.
            is_closed = refused.code == "passphrase-needed"
            first = notice(Check.CERTIFICATE, "closed") if is_closed else told(Check.CERTIFICATE, refused, "E103")
            return None, [first, skipped(Check.KEY), skipped(Check.PERIOD)]
        if held is None:
            topic = "certificate-pending" if self.place.is_pending() else "certificate-missing"
            missing = fault(Check.CERTIFICATE, topic, "E103", folder=self.place.path)
            return None, [missing, skipped(Check.KEY), skipped(Check.PERIOD)]
        name, serial = chain.common_name(held.certificate), f"{held.certificate.serial_number:x}"
        return held, [good(Check.CERTIFICATE, "certificate", terminal=name, serial=serial), _key(held), self._period(held)]

    def _period(self, held: Holding) -> Finding:
        begin, end = held.certificate.not_valid_before_utc, held.certificate.not_valid_after_utc
        if self.now < begin:
            facts = {"not_before": begin, "now": self.now}
            return Finding(Check.PERIOD, Verdict.NOTICE, "period-ahead", "A0006", facts)
        if self.now > end:
            return fault(Check.PERIOD, "period-over", "E104", not_after=end, now=self.now)
        return good(Check.PERIOD, "period", not_before=begin, not_after=end)

    def _trust(self, held: Holding | None) -> Finding:
        try:
            trusted = chain.roots(self.server.ca_bundle)
            if held is not None:
                # Whether it is over is another check.
                instant = min(self.now, held.certificate.not_valid_after_utc)
                chain.require_chain(held.certificate, held.chain, trusted, instant)
        except Refused as refused:
            return told(Check.TRUST, refused, "A0035" if refused.code == "chain-broken" else "E111")
        return good(Check.TRUST, "trust" if held else "roots", path=self.server.ca_bundle)

    def _possession(self) -> Possession | None:
        try:
            return possession_of(self.place)
        except Refused:
            return None

    def _door(self, mine: Possession | None) -> list[Finding]:
        try:
            known = report_of(self.server, mine.identity if mine else None)
        except Refused as refused:
            clock = self._clock(refused.facts.get("door_time"))
            return [clock, _refused(mine, refused), skipped(Check.RENEWAL), skipped(Check.REISSUE)]
        return [self._clock(known.door_time), _state(known), self._renewal(known), _reissue(known)]

    def _clock(self, door_time: object) -> Finding:
        if not isinstance(door_time, datetime):
            return skipped(Check.CLOCK)
        # Read anew: the way here may have taken long.
        now = self.server.clock.now()
        if abs(now - door_time) > CLOCK_TOLERANCE:
            return fault(Check.CLOCK, "clock-off", "E111", now=now, door_time=door_time)
        return good(Check.CLOCK, "clock", now=now)

    def _renewal(self, known: Report) -> Finding:
        change = Changeover(self.place)
        facts: dict[str, object] = {
            "first_day": known.first_day,
            "last_day": known.last_day,
            "suggested": known.suggested,
            "not_after": known.not_after,
        }
        if known.blocked_by_reissue:
            return notice(Check.RENEWAL, "renewal-blocked", **facts)
        if change.is_under_way():
            return notice(Check.RENEWAL, "renewal-unfinished", **facts)
        if not known.may_renew:
            return notice(Check.RENEWAL, "renewal-barred", **facts) if known.is_open else good(Check.RENEWAL, "renewal", **facts)
        if known.not_after - known.answered_at < URGENT:
            return fault(Check.RENEWAL, "renewal-urgent", "E104", **facts)
        return notice(Check.RENEWAL, "renewal-due" if known.is_due else "renewal-open", **facts)

    def _logon(self, mine: Possession | None, access_key: str | None) -> Finding:
        if mine is None:
            return skipped(Check.LOGON)
        if access_key is None:
            return skipped(Check.LOGON, "logon-untried")
        try:
            answer = logon.logon(self.place.path, self.server, access_key, passphrase=self.place.passphrase)
        except Refused as refused:
            return told(Check.LOGON, refused, _code(refused))
        if answer.refusal is None:
            return good(Check.LOGON, "logon", terminal=answer.terminal)
        refusal, code = answer.refusal, _code(answer.refusal)
        # Nothing is wrong before the start date, but nobody can log on either.
        verdict = Verdict.NOTICE if code == "A0006" else Verdict.FAULT
        return Finding(Check.LOGON, verdict, refusal.code, code, refusal.facts, refusal)


def _key(held: Holding) -> Finding:
    if held.key_matches is None:
        return notice(Check.KEY, "closed")
    if held.key is None:
        return fault(Check.KEY, "key-missing", "E103")
    if not held.key_matches:
        return fault(Check.KEY, "key-other", "E103")
    is_open = [file for file in held.files if file.stat().st_mode & 0o077] if sys.platform != "win32" else []
    return notice(Check.KEY, "key-open", path=is_open[0]) if is_open else good(Check.KEY, "key")


def _state(known: Report) -> Finding:
    if known.state == report.SUSPENDED:
        return _suspended(known)
    if known.certificate_state == report.HELD:
        return fault(Check.TERMINAL, "certificate-held", "A0014", terminal=known.terminal)
    return good(Check.TERMINAL, "terminal", terminal=known.terminal, office_code=known.office_code, start_date=known.start_date)


def _suspended(known: Report) -> Finding:
    suspension = known.suspension
    if suspension is None:
        return fault(Check.TERMINAL, "terminal-suspended", "A0014", terminal=known.terminal)
    topic = _BY_RULE.get(suspension.rule or 0, "suspended-by-staff")
    return fault(Check.TERMINAL, topic, "A0014", terminal=known.terminal, since=suspension.since)


def _reissue(known: Report) -> Finding:
    reissue = known.reissue
    if reissue is None:
        return good(Check.REISSUE, "no-reissue")
    topic = "reissue-accepted" if known.blocked_by_reissue else "reissue-requested"
    return notice(Check.REISSUE, topic, state=reissue.state, reason=reissue.reason, ready_on=reissue.ready_on)


def _refused(mine: Possession | None, refused: Refused) -> Finding:
    if refused.code == "E103":
        # The door is the right one; a certificate that was shown and did not come through was taken off on the way.
        is_lost = mine is not None
        return fault(Check.TERMINAL, "certificate-lost", "E103") if is_lost else skipped(Check.TERMINAL, "door-answers")
    if refused.code == "tls-failed" or refused.facts.get("kind") == "broken":
        # Nothing was wrong without the certificate (`way_to`).
        return fault(Check.TERMINAL, "certificate-declined", "A0035", detail=refused.facts.get("detail"))
    return told(Check.TERMINAL, refused, _code(refused))


def _code(refused: Refused) -> str:
    if _DOMAIN_CODE.fullmatch(refused.code):
        return refused.code
    if refused.facts.get("kind") == "timeout":
        return "E113"
    status = refused.facts.get("status")
    is_broken = isinstance(status, int) and status >= _BROKEN
    return _CODES.get(refused.code, "E112" if is_broken else "E111")
