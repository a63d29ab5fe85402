"""What a diagnosis is made of: one finding for each check, with the code that the help desk knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kernel.errors import Refused


class Check(StrEnum):
    """What is looked at, in this order: the folder, the way to the door, what the door says."""

    CERTIFICATE = "certificate"
    KEY = "key"
    PERIOD = "period"
    TRUST = "trust"
    ADDRESS = "address"
    PROXY = "proxy"
    NAME = "name"
    CONNECTION = "connection"
    TLS = "tls"
    CLOCK = "clock"
    TERMINAL = "terminal"
    RENEWAL = "renewal"
    REISSUE = "reissue"
    LOGON = "logon"


class Verdict(StrEnum):
    """`notice`: worth knowing, nothing is broken. `skipped`: could not be looked at, because of something else."""

    GOOD = "good"
    NOTICE = "notice"
    FAULT = "fault"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """The outcome of a check. `topic` is what the sentences are found by, or a refusal speaks for itself.

    `code` is one of the domain's (E101 …, A0006 …), or None where nothing is wrong.
    """

    check: Check
    verdict: Verdict
    topic: str
    code: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    refusal: Refused | None = None


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order of the checks."""

    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.verdict is not Verdict.FAULT for finding in self.findings)


def good(check: Check, topic: str, **facts: object) -> Finding:
    """Return a finding without fault."""
    return Finding(check, Verdict.GOOD, topic, None, facts)


def notice(check: Check, topic: str, **facts: object) -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(check, Verdict.NOTICE, topic, None, facts)


def fault(check: Check, topic: str, code: str, **facts: object) -> Finding:
    """Return a finding of a fault."""
    return Finding(check, Verdict.FAULT, topic, code, facts)


def told(check: Check, refusal: Refused, code: str) -> Finding:
    """Return a fault in the words of a refusal."""
    return Finding(check, Verdict.FAULT, refusal.code, code, refusal.facts, refusal)


def skipped(check: Check, topic: str = "skipped") -> Finding:
    """Return a finding of nothing."""
    return Finding(check, Verdict.SKIPPED, topic)
