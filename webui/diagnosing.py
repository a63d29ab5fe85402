"""端末の診断 in the words of both doors: what each finding means, what to do, and where the code is explained.

A stored case holds findings, no words (`enrollment.diagnosis_cases`); each door says where a remedy's button leads.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import quote

import flask

from enrollment.diagnosis import Check, Diagnosis, Finding, Verdict
from enrollment.diagnosis_cases import shown
from enrollment.reissue_records import ReissueReason
from webui.diagnosis_topics import TOPICS, Topic, Way
from webui.doorway import doorway
from webui.reissuing import reason_name
from webui.texts import gettext, language, mark, say, show_day, show_instant
from webui.words import REVOCATION_REASONS, Label

CHECKS: Mapping[Check, str] = {
    Check.SERVICE: mark("センターのサービス"),
    Check.TERMINAL: mark("端末の状態"),
    Check.CODES: mark("コード"),
    Check.CERTIFICATE: mark("証明書"),
    Check.LOGON: mark("ログオン"),
    Check.RENEWAL: mark("更新"),
    Check.REISSUE: mark("再発行"),
}
VERDICTS: Mapping[Verdict, Label] = {
    Verdict.GOOD: Label(mark("正常"), "good"),
    Verdict.NOTICE: Label(mark("お知らせ"), "info"),
    Verdict.FAULT: Label(mark("要対応"), "bad"),
    Verdict.SKIPPED: Label(mark("未確認")),
}
# Codes that the customers' software shows.
_SEEN = re.compile(r"[A-Z][0-9]+")
# Where a remedy's button leads at the present door; empty where that door has no such page, or the reader not the right.
Lead = Callable[[Way, Finding], str]


@dataclass(frozen=True)
class Told:
    """A finding in the reader's language: finished sentences; `address` is where the remedy is done, `label` its button.

    `code` is one that people meet on their screens, as A0036; what only our programs call something is a link without name.
    """

    check: str
    verdict: Label
    cause: str
    remedy: str
    code: str
    code_address: str
    address: str = ""
    label: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing is to be done or known."""
        return self.verdict is VERDICTS[Verdict.GOOD]


@dataclass(frozen=True)
class Report:
    """A diagnosis in the reader's language: what is the matter first of all, and everything."""

    terminal: str
    at: datetime
    can_log_on: bool
    main: Told | None
    others: tuple[Told, ...]
    good: tuple[Told, ...]


def report(found: Diagnosis, lead: Lead) -> Report:
    """Put a diagnosis into words; `lead` says where remedies are done."""
    # Who has one under way is not sent to ask for another.
    reissue = next((one for one in found.findings if one.check is Check.REISSUE), None)
    told = {id(one): _told(one, lead, reissue) for one in found.findings}
    main = told[id(found.main)] if found.main else None
    return Report(
        terminal=found.terminal,
        at=found.at,
        can_log_on=found.can_log_on,
        main=main,
        others=tuple(one for one in told.values() if not one.is_good and one is not main),
        good=tuple(one for one in told.values() if one.is_good),
    )


def bulletin_address(path: str) -> str:
    """Return a page of the bulletin in the reader's language, from either door: it stands on the portal's."""
    own = f"/bulletin/{'en/' if language() == 'en' else ''}{path}"
    if "bulletin.code" in flask.current_app.view_functions:
        return own
    return doorway().parts.letters.portal_url.rstrip("/") + own


def equip(templates: dict[str, object]) -> None:
    """Give templates what the pages of diagnoses say."""
    templates |= {"case_number": shown}


def _told(finding: Finding, lead: Lead, reissue: Finding | None) -> Told:
    topic, facts = TOPICS[finding.topic], _facts(finding)
    address = lead(topic.way, finding) if topic.way else ""
    if topic.way is Way.REISSUE and reissue is not None:
        topic = Topic(topic.cause, topic.meanwhile, Way.OPEN_REISSUE)
        address = lead(Way.OPEN_REISSUE, reissue)
    return Told(
        check=gettext(CHECKS[finding.check]),
        verdict=VERDICTS[finding.verdict],
        cause=say(topic.cause, **facts),
        remedy=say(topic.remedy, **facts) if topic.remedy else "",
        code=finding.code if finding.code and _SEEN.fullmatch(finding.code) else "",
        code_address=bulletin_address(f"codes/{quote(finding.code)}") if finding.code else "",
        address=address,
        label=gettext(topic.way.label) if topic.way and address else "",
    )


def _facts(finding: Finding) -> dict[str, object]:
    """Return a finding's facts as people read them."""
    facts: dict[str, object] = {name: _shown(name, value) for name, value in finding.facts.items()}
    if "title_ja" in facts:
        facts["title"] = facts["title_en" if language() == "en" else "title_ja"]
    return facts


def _shown(name: str, value: str | int) -> str | int:
    if isinstance(value, str) and name.endswith("_on"):
        return show_day(date.fromisoformat(value))
    if isinstance(value, str) and name.endswith("_at"):
        return show_instant(datetime.fromisoformat(value) if value else None)
    if name == "reason" and value in tuple(ReissueReason):
        return reason_name(ReissueReason(value))
    if name == "reason" and value in REVOCATION_REASONS:
        return gettext(REVOCATION_REASONS[str(value)])
    return value
