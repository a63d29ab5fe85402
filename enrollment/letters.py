"""The mails of this room: Japanese with English below, never a code, never a key. Salutation and foot are the registry's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from kernel.clock import TOKYO
from kernel.outbox import Attachment
from registry import offices
from registry.applicants import Contact
from registry.letters import Letter, Letters, post

# What words mails where nobody set anything, as in tests; every process hands in what its settings say.
PLAIN = Letters("")

# RFC 5280's reasons in words; the English text has the RFC's own.
_REASONS = {
    "unspecified": "指定なし",
    "keyCompromise": "鍵の漏えい(紛失・盗難を含む)",
    "affiliationChanged": "所属の変更",
    "superseded": "再発行・更新",
    "cessationOfOperation": "利用の終了",
    "privilegeWithdrawn": "利用資格の取消し",
}


@dataclass(frozen=True)
class Envelope:
    """To which office a mail goes, in whose transaction, at what instant, and who words salutation and foot."""

    session: Session
    letters: Letters
    office_code: str
    now: datetime


@dataclass(frozen=True)
class Prepared:
    """What the mail about prepared codes says."""

    office_code: str
    receipt_number: str
    received_on: date
    start_date: date
    terminals: tuple[str, ...]


def freeze_address(portal_url: str, receipt_number: str | None) -> str:
    """Return the portal's page where anyone of the office freezes the codes of a notice; there is no secret in it."""
    return f"{notice_address(portal_url, receipt_number)}/freeze"


def notice_address(portal_url: str, receipt_number: str | None) -> str:
    """Return the portal's page of a notice; without receipt number, of the notice of reissues and takeovers."""
    return f"{portal_url}/applications/{receipt_number}/id-notice" if receipt_number else f"{portal_url}/id-notice"


def revocation_address(portal_url: str, terminal: str) -> str:
    """Return the portal's page where an office revokes a terminal's certificate itself."""
    return f"{portal_url}/terminals/{terminal}/revocation"


def post_prepared(to: Envelope, facts: Prepared, applicant: Contact) -> None:
    """Tell administrator and applicant that the certificates can be retrieved."""
    names = "、".join(facts.terminals)
    ja = f"""\
デジタル証明書を取得する準備ができました。ご利用になる端末で取得作業を行ってください。

申込受付年月日：{facts.received_on:%Y/%m/%d}
申込受付番号：{facts.receipt_number}
論理端末名：{names}
利用開始日：{facts.start_date:%Y/%m/%d}

取得に必要なコードは、このメールには記載していません。サポートシステムの「新着情報」の詳細、または
「申込内容の確認」の「ID通知内容」でご確認ください。
{to.letters.portal_url}

お心当たりがない場合は、次のページでコードを凍結してください。事業所のどなたでも凍結できます。
{freeze_address(to.letters.portal_url, facts.receipt_number)}"""
    en = f"""\
The certificates of {", ".join(facts.terminals)} (application {facts.receipt_number}) are ready to be retrieved;
service starts on {facts.start_date:%Y-%m-%d}. The codes are not in this mail: log in to the support system and open
"ID notice" of the application.
{to.letters.portal_url}
If this was none of you, freeze the codes; anyone of the office can:
{freeze_address(to.letters.portal_url, facts.receipt_number)}"""
    post_mail(to, "【NSS】デジタル証明書発行完了のお知らせ", ja, en, also_to=applicant)


@dataclass(frozen=True)
class Retrieval:
    """What the mail about a retrieved certificate says; `receipt` is the JSON of its proof, if there is one."""

    terminal: str
    serial: str
    fingerprint: str
    at: datetime
    starts: datetime
    ends: datetime
    receipt: Attachment | None


def post_retrieved(to: Envelope, facts: Retrieval) -> None:
    """Tell the administrator that a terminal has its certificate: whoever did not do that should call."""
    proof_ja, proof_en = _PROOF if facts.receipt else _PROOF_LATER
    ja = f"""\
論理端末 {facts.terminal} のデジタル証明書が取得されました。

取得日時：{_tokyo(facts.at)}(日本時間)
シリアル番号：{facts.serial}
フィンガープリント(SHA-256)：
{facts.fingerprint}
有効期間：{_tokyo(facts.starts)} から {_tokyo(facts.ends)} まで(日本時間)

{proof_ja}

お心当たりがない場合は、直ちにヘルプデスクへご連絡ください。"""
    en = f"""\
The certificate of terminal {facts.terminal} was retrieved at {_tokyo_en(facts.at)} (Japan time) and is good
from {_tokyo_en(facts.starts)} to {_tokyo_en(facts.ends)}.
Serial number: {facts.serial}
SHA-256 fingerprint:
{facts.fingerprint}
{proof_en}
If this was none of you, call the help desk at once."""
    post_mail(to, f"【NSS】デジタル証明書取得のお知らせ({facts.terminal})", ja, en, attachment=facts.receipt)


_PROOF = (
    "添付の受領証(JSON)は、この発行が公開の監査ログに記録されたことを、センターに問い合わせずに確かめるためのものです。",
    "The receipt that is attached (JSON) proves, without asking us, that this is in the public log.",
)
_PROOF_LATER = (
    "監査ログの受領証は、サポートシステムの「ID通知内容」から後ほどダウンロードできます。",
    'The receipt of the audit log can be downloaded later from "ID notice" in the support system.',
)


def post_renewed(to: Envelope, terminal: str, ends: datetime) -> None:
    """Tell the administrator that a terminal renewed its certificate: whoever did not do that should call."""
    ja = f"""\
論理端末 {terminal} のデジタル証明書が更新されました。端末アクセスキーは変わりません。

更新日時：{_tokyo(to.now)}(日本時間)
有効期間：{_tokyo(ends)} まで(日本時間)

古い証明書は、新しい証明書で最初にログオンしたとき、または7日後に失効します。
お心当たりがない場合は、直ちにヘルプデスクへご連絡ください。"""
    en = f"""\
The certificate of terminal {terminal} was renewed at {_tokyo_en(to.now)} (Japan time) and is good until {_tokyo_en(ends)}.
The access key stays the same. The old certificate is revoked at the first logon with the new one, or after 7 days.
If this was none of you, call the help desk at once."""
    post_mail(to, f"【NSS】デジタル証明書更新のお知らせ({terminal})", ja, en)


def post_revoked(to: Envelope, terminal: str, reason: str) -> None:
    """Tell the administrator that a terminal's certificate was revoked."""
    ja = f"""\
論理端末 {terminal} のデジタル証明書を失効しました。この証明書ではログオンできません。

失効日時：{_tokyo(to.now)}(日本時間)
理由：{_REASONS.get(reason, reason)}"""
    en = f"""\
The certificate of terminal {terminal} was revoked at {_tokyo_en(to.now)} (Japan time; reason: {reason}).
It can no longer be used to log on."""
    post_mail(to, f"【NSS】デジタル証明書失効のお知らせ({terminal})", ja, en)


def post_revoked_together(to: Envelope, terminals: Sequence[str], reason: str) -> None:
    """Tell the administrator that the certificates of several terminals were revoked in one deed."""
    names = "、".join(terminals)
    ja = f"""\
次の論理端末のデジタル証明書を失効しました。これらの証明書ではログオンできません。

論理端末名：{names}
失効日時：{_tokyo(to.now)}(日本時間)
理由：{_REASONS.get(reason, reason)}"""
    en = f"""\
The certificates of {len(terminals)} terminals ({", ".join(terminals)}) were revoked at {_tokyo_en(to.now)}
(Japan time; reason: {reason}). They can no longer be used to log on."""
    post_mail(to, f"【NSS】デジタル証明書失効のお知らせ({len(terminals)}端末)", ja, en)


def post_suspended(to: Envelope, terminal: str) -> None:
    """Tell the administrator that a terminal was suspended by staff."""
    ja = f"""\
論理端末 {terminal} の利用を停止しました。

日時：{_tokyo(to.now)}(日本時間)"""
    en = f"The suspension of terminal {terminal} began at {_tokyo_en(to.now)} (Japan time)."
    post_mail(to, f"【NSS】論理端末の利用停止のお知らせ({terminal})", ja, en)


def post_resumed(to: Envelope, terminal: str, *, needs_reissue: bool) -> None:
    """Tell the administrator that a terminal's suspension was lifted, and whether it needs a new certificate."""
    ja = f"""\
論理端末 {terminal} の利用停止を解除しました。

日時：{_tokyo(to.now)}(日本時間)"""
    en = f"The suspension of terminal {terminal} was lifted at {_tokyo_en(to.now)} (Japan time)."
    if needs_reissue:
        ja += "\n\n再びログオンするには、新しい証明書が必要です。再発行をお申し込みください。"
        en += "\nTo log on again it needs a new certificate: apply for a reissue."
    post_mail(to, f"【NSS】論理端末の利用停止解除のお知らせ({terminal})", ja, en)


def post_mail(
    to: Envelope, subject: str, ja: str, en: str, *, also_to: Contact | None = None, attachment: Attachment | None = None
) -> None:
    """Put a mail to the administrator, and one to somebody else, into the outbox: one only where they share an address."""
    office = offices.get(to.session, to.office_code)
    if office is None:
        message = f"office {to.office_code} is not registered"
        raise LookupError(message)
    contacts = (office.administrator,) if also_to is None else (also_to, office.administrator)

    def write(contact: Contact) -> Letter:
        return to.letters.compose(contact, office, subject, ja, en)

    post(to.session, write, now=to.now, office=office, contacts=contacts, attachment=attachment)


def _tokyo(instant: datetime) -> str:
    return f"{instant.astimezone(TOKYO):%Y/%m/%d %H:%M}"


def _tokyo_en(instant: datetime) -> str:
    return f"{instant.astimezone(TOKYO):%Y-%m-%d %H:%M}"
