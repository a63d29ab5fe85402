"""The mails of deadlines: Japanese with English below, to administrator and applicant, never a code.

One mail tells an address of all its terminals that a deadline concerns on the same day.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from enrollment.deadlines.days import Kind, deadline
from enrollment.letters import Envelope
from kernel.clock import tokyo_date
from registry import applications, letters, offices
from registry.applicants import Contact
from registry.letters import Letter
from registry.states import SuspensionRule
from registry.terminals import Terminal


@dataclass(frozen=True)
class Notice:
    """What is told: of which kind, counting from which last day; `reissued` are terminals that can not renew any more.

    `is_final`: the system generation ends on that day, and nobody renews across it (domain rules, "Renewal").
    """

    kind: Kind
    last_day: date
    reissued: frozenset[str] = frozenset()
    is_final: bool = False


# Subject, Japanese, English of terminals' names.
_Words = Callable[[Sequence[str]], tuple[str, str, str]]


def post_near(to: Envelope, notice: Notice, concerned: Collection[Terminal]) -> None:
    """Tell that certificates end or that suspensions are near."""
    today = tokyo_date(to.now)
    words = _renewal if notice.kind is Kind.RENEWAL else _warning
    _post(to, concerned, lambda names: words(notice, names, today, to.letters.portal_url))


def post_suspended(to: Envelope, rule: SuspensionRule, terminal: Terminal) -> None:
    """Tell that a rule has suspended a terminal, and what can be done."""
    _post(to, [terminal], lambda names: _suspended(rule, names, tokyo_date(to.now)))


def _post(to: Envelope, concerned: Collection[Terminal], words: _Words) -> None:
    """Write to the administrator of all terminals, and to each applicant of those that were applied for."""
    office = offices.get(to.session, to.office_code)
    if office is None:
        message = f"office {to.office_code} is not registered"
        raise LookupError(message)
    applicants = applications.applicants(to.session, {one.receipt_number for one in concerned if one.receipt_number})
    read_by: dict[str, list[str]] = {office.administrator.mail.casefold(): sorted(one.name for one in concerned)}
    for mail, names in _of_applicants(concerned, applicants).items():
        read_by.setdefault(mail, names)

    def write(contact: Contact) -> Letter:
        subject, ja, en = words(read_by[contact.mail.casefold()])
        return to.letters.compose(contact, office, subject, ja, en)

    contacts = (office.administrator, *applicants.values())
    letters.post(to.session, write, now=to.now, office=office, contacts=contacts)


def _of_applicants(concerned: Collection[Terminal], applicants: Mapping[str, Contact]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for terminal in sorted(concerned, key=lambda one: one.name):
        applicant = applicants.get(terminal.receipt_number or "")
        if applicant is not None:
            named.setdefault(applicant.mail.casefold(), []).append(terminal.name)
    return named


def _renewal(notice: Notice, names: Sequence[str], today: date, portal_url: str) -> tuple[str, str, str]:
    days = (notice.last_day - today).days
    left_ja, left_en = (f"あと{days}日", f"in {days} day{'s' * (days > 1)}") if days else ("本日まで", "today")
    may_renew = [name for name in names if name not in notice.reissued]
    ja = [f"次のデジタル証明書の有効期限が近づいています({left_ja})。", f"有効期限：{_ja(notice.last_day)} 23:59(日本時間)"]
    en = [f"Certificates end {left_en}, on {notice.last_day.isoformat()} at 23:59 (Japan time)."]
    if may_renew and notice.is_final:
        ja.append(f"システムの世代が終わる論理端末：{'、'.join(may_renew)}\n{_FINAL_JA}")
        en.append(f"The system's generation ends: {', '.join(may_renew)}.\n{_FINAL_EN}")
    elif may_renew:
        ja.append(f"更新が必要な論理端末：{'、'.join(may_renew)}\n証明書が入っているパソコンで、期限までに更新してください。")
        en.append(f"To be renewed: {', '.join(may_renew)}.\nRenew on the PC that has the certificate, before it ends.")
    if len(may_renew) < len(names):
        others = [name for name in names if name in notice.reissued]
        ja.append(f"再発行の手続き中の論理端末：{'、'.join(others)}\n更新はできません。再発行の証明書を取得してください。")
        en.append(f"Being reissued: {', '.join(others)}.\nThese can not be renewed: retrieve the reissued certificate.")
    after_ja, after_en = _AFTER_FINAL if notice.is_final else _AFTER
    ja.append(f"{after_ja}\n{portal_url}")
    en.append(f"{after_en}\n{portal_url}")
    return f"【NSS】デジタル証明書の有効期限のお知らせ({left_ja})", "\n\n".join(ja), "\n\n".join(en)


def _warning(notice: Notice, names: Sequence[str], today: date, portal_url: str) -> tuple[str, str, str]:
    begins = deadline(notice.kind, notice.last_day)
    days = (begins - today).days
    state_ja, state_en, remedy_ja, remedy_en = _THREATS[notice.kind]
    ja = f"""\
次の論理端末は、{state_ja}。
このままでは、{_ja(begins)}に利用を停止します(あと{days}日)。

論理端末名：{"、".join(names)}
利用停止日：{_ja(begins)}

{remedy_ja.format(last_day=_ja(notice.last_day))}
{portal_url}"""
    en = f"""\
{", ".join(names)}: {state_en}.
Unless that changes, service will be suspended on {begins.isoformat()} (in {days} day{"s" * (days > 1)}).

{remedy_en.format(last_day=notice.last_day.isoformat())}
{portal_url}"""
    return f"【NSS】論理端末の利用停止予告(あと{days}日)", ja, en


def _suspended(rule: SuspensionRule, names: Sequence[str], today: date) -> tuple[str, str, str]:
    cause_ja, cause_en = _CAUSES[rule]
    ja = f"""\
論理端末 {"、".join(names)} は、{cause_ja}、利用を停止しました。

利用停止日：{_ja(today)}

停止中は、証明書の取得、更新、ログオンのいずれもできません。
再びご利用になる場合は、ヘルプデスクへご連絡ください。停止を解除し、新しい証明書を再発行します。"""
    en = f"""\
Terminal {", ".join(names)} was suspended on {today.isoformat()}, because {cause_en}.

Meanwhile it can neither retrieve nor renew a certificate, nor log on.
To use it again, call the help desk: the suspension is lifted and a new certificate is issued."""
    return f"【NSS】論理端末の利用停止のお知らせ({'、'.join(names)})", ja, en


def _ja(day: date) -> str:
    return f"{day:%Y/%m/%d}"


_AFTER = (
    "期限を過ぎるとログオンできなくなり、更新の代わりに再発行のお申込が必要になります。",
    "After that day nobody can log on with it, and a reissue must be applied for.",
)
# At the end of a system generation the center makes codes for every terminal (domain rules, "Reissue").
_FINAL_JA = """\
この証明書は更新できません。新しい証明書は、センターが用意する新しいコードで取得します。
コードの準備ができるとメールでお知らせし、サポートシステムの「ID通知内容」に表示します。"""
_FINAL_EN = """\
These certificates can not be renewed. New ones are retrieved with new codes, which the center prepares:
a mail tells when they are ready, and they stand in the support system, "ID notice"."""
_AFTER_FINAL = ("期限を過ぎると、この証明書ではログオンできません。", "After that day nobody can log on with it.")
# Why the suspension is near, and what can be done against it.
_THREATS = {
    Kind.NOT_RETRIEVED: (
        "利用開始日から2か月近く、デジタル証明書が取得されていません",
        "no certificate was retrieved for nearly two months since the start date",
        "{last_day}までに、ご利用になるパソコンで証明書を取得してください。コードはサポートシステムの「ID通知内容」でご確認ください。",
        'Retrieve the certificate by {last_day} on the PC that will use it. The codes stand in the support system, "ID notice".',
    ),
    Kind.NOT_RENEWED: (
        "有効期限が切れてから2か月近く、デジタル証明書が更新されていません",
        "the certificate ended nearly two months ago and was not renewed",
        "証明書は{last_day}に期限が切れたため、更新できません。再発行をお申し込みください。",
        "It ended on {last_day} and can not be renewed any more: apply for a reissue.",
    ),
    Kind.REISSUE_NOT_RETRIEVED: (
        "再発行から2か月近く、新しいデジタル証明書が取得されていません",
        "the reissued certificate was not retrieved for nearly two months",
        "{last_day}までに、新しく使うパソコンで証明書を取得してください。コードはサポートシステムの「ID通知内容」でご確認ください。",
        'Retrieve it by {last_day} on the PC that will use it. The codes stand in the support system, "ID notice".',
    ),
}
_CAUSES = {
    SuspensionRule.NOT_RETRIEVED: (
        "利用開始日から2か月以内にデジタル証明書が取得されなかったため",
        "no certificate was retrieved within two months of the start date",
    ),
    SuspensionRule.NOT_RENEWED: (
        "有効期限から2か月以内にデジタル証明書が更新されなかったため",
        "its certificate was not renewed within two months of its end",
    ),
    SuspensionRule.REISSUE_NOT_RETRIEVED: (
        "再発行から2か月以内に新しいデジタル証明書が取得されなかったため",
        "the reissued certificate was not retrieved within two months",
    ),
}
