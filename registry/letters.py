"""The mails of an application, in Japanese with English below. They carry numbers, dates and addresses, never a code.

    Letters(portal_url).compose(contact, office, subject, ja, en) -> Letter
    post(session, write, *, now, office, contacts)         one mail to each address

Each `Letters` method words one mail for one recipient; `Letters.compose` puts salutation and foot around any other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from kernel import outbox
from kernel.clock import tokyo_date
from registry.applicants import Contact
from registry.offices import Office

# Whom a mail reaches of whoever did something, by the actor's text: None when that is nobody, or nobody any more.
Correspondent = Callable[[Session, str], Contact | None]

CENTER_JA = "利用者認証センター"
CENTER_EN = "Terminal Authentication Center"


@dataclass(frozen=True)
class Letter:
    """A mail's subject and body."""

    subject: str
    body: str


@dataclass(frozen=True)
class Receipt:
    """What every mail about an application names."""

    number: str
    applied_on: date


@dataclass(frozen=True)
class Asked:
    """What was applied for: the items in both languages, and the wished start date."""

    items_ja: tuple[str, ...]
    items_en: tuple[str, ...]
    wished_start: date


def nobody(session: Session, actor: str) -> Contact | None:
    """Reach nobody: where there are no accounts."""
    del session, actor
    return None


@dataclass(frozen=True)
class Letters:
    """Words mails; `portal_url` is where customers log in, the rest is who writes, whom to call, and who is who."""

    portal_url: str
    service_ja: str = f"{CENTER_JA} サポートシステム"
    service_en: str = f"{CENTER_EN} Support System"
    help_desk: str = "0120-000-000"
    correspondent: Correspondent = nobody

    def received(self, to: Contact, office: Office, receipt: Receipt, asked: Asked) -> Letter:
        """Word the receipt mail. It names the items; before and after stand in the portal only."""
        ja = f"""\
利用申込を受け付けました。これから内容を確認いたします。

{_receipt_ja(receipt)}
利用開始希望日：{_ja(asked.wished_start)}
申込項目：
{_list(asked.items_ja, "・")}

確認が終わりましたら、あらためてメールでお知らせします。ご回答は翌営業日以降になることがあります。
審査の状況はサポートシステムでご覧いただけます。
{self._link_ja()}"""
        en = f"""\
We have received your application and will now look at it.

{_receipt_en(receipt)}
Wished start date: {asked.wished_start.isoformat()}
Items:
{_list(asked.items_en, "- ")}

You will get another mail when we have finished. This may take until the next business day or longer.
You can follow the review in the support system.
{self._link_en()}"""
        return self.compose(to, office, "【NSS】利用申込受付のお知らせ", ja, en)

    def reviewed(
        self, to: Contact, office: Office, receipt: Receipt, *, start_date: date, settings_deadline: date | None
    ) -> Letter:
        """Word the mail at the end of the review."""
        deadline_ja = deadline_en = ""
        if settings_deadline is not None:
            deadline_ja = f"""
このお申込にはシステム設定が必要です。{_ja(settings_deadline)}までに完了しない場合、お申込は無効になります。
"""
            deadline_en = f"""
This application needs system settings. It becomes void if they are not complete by {settings_deadline.isoformat()}.
"""
        ja = f"""\
利用申込の内容の確認が終わりました。
利用開始日はご希望の日と異なる場合があります。確定した内容を必ずサポートシステムでお確かめください。

{_receipt_ja(receipt)}
利用開始日：{_ja(start_date)}
{deadline_ja}
新着情報から、この受付番号の「詳細」をお開きください。
{self._link_ja()}"""
        en = f"""\
We have finished the review of your application.
The start date may differ from the one you wished. Please check what was confirmed in the support system.

{_receipt_en(receipt)}
Start date: {start_date.isoformat()}
{deadline_en}
Please open the details of this receipt number in the news.
{self._link_en()}"""
        return self.compose(to, office, "【NSS】利用申込確認完了のお知らせ", ja, en)

    def moved(
        self,
        to: Contact,
        office: Office,
        receipt: Receipt,
        *,
        days: tuple[date | None, date],
        settings_deadline: date | None,
        reason: str,
    ) -> Letter:
        """Word the mail that the start date was moved; `days` are the old one and the new one."""
        before, after = days
        deadline_ja = deadline_en = ""
        if settings_deadline is not None:
            deadline_ja = f"\nシステム設定の締切日：{_ja(settings_deadline)}"
            deadline_en = f"\nSystem settings must be complete by: {settings_deadline.isoformat()}"
        ja = f"""\
次のお申込の利用開始日が変わりました。

{_receipt_ja(receipt)}
変更前の利用開始日：{_ja(before) if before else "なし"}
変更後の利用開始日：{_ja(after)}{deadline_ja}

理由：
{reason}

これまでのコードは使えなくなりました。証明書を取得済みの端末も、新しいコードであらためて取得してください。
新しいコードの準備ができましたら、あらためてメールでお知らせします。
{self._link_ja()}"""
        en = f"""\
The start date of the application below was moved.

{_receipt_en(receipt)}
Start date before: {before.isoformat() if before else "none"}
Start date now: {after.isoformat()}{deadline_en}

Reason:
{reason}

The codes that you had can not be used any more. Terminals that have their certificate must retrieve a new one, too.
You will get another mail when the new codes are ready.
{self._link_en()}"""
        return self.compose(to, office, "【NSS】利用開始日変更のお知らせ", ja, en)

    def queried(self, to: Contact, office: Office, receipt: Receipt, question: str) -> Letter:
        """Word the mail that asks the customer something."""
        ja = f"""\
お申込の内容について確認したいことがあります。

{_receipt_ja(receipt)}

確認事項：
{question}

サポートシステムで回答を入力するか、お申込を取り下げてください。
{self._link_ja()}"""
        en = f"""\
We have a question about your application.

{_receipt_en(receipt)}

Question:
{question}

Please answer it in the support system, or withdraw the application.
{self._link_en()}"""
        return self.compose(to, office, "【NSS】利用申込に関する確認のお願い", ja, en)

    def rejected(self, to: Contact, office: Office, receipt: Receipt, reason: str) -> Letter:
        """Word the mail that an application was rejected."""
        return self._ended(to, office, receipt, reason, _ENDINGS["rejected"])

    def cancelled(self, to: Contact, office: Office, receipt: Receipt, reason: str) -> Letter:
        """Word the mail that an application was cancelled."""
        return self._ended(to, office, receipt, reason, _ENDINGS["cancelled"])

    def voided(self, to: Contact, office: Office, receipt: Receipt, reason: str) -> Letter:
        """Word the mail that an application became void."""
        return self._ended(to, office, receipt, reason, _ENDINGS["void"])

    def withdrawn(self, to: Contact, office: Office, receipt: Receipt) -> Letter:
        """Word the mail that the customer's own withdrawal was taken."""
        return self._ended(to, office, receipt, None, _ENDINGS["withdrawn"])

    def compose(self, to: Contact, office: Office, subject: str, ja: str, en: str) -> Letter:
        """Return a mail with salutation and foot around its two texts."""
        body = f"""\
{f"{office.company_name}　{office.name}　{to.department}".rstrip("　")}
{to.full_name}　様

{self.service_ja}です。いつもご利用いただきありがとうございます。

{ja}

このメールは送信専用のため、ご返信いただいてもお答えできません。
手順とエラーコード：{self._bulletin}
お問い合わせ：ヘルプデスク　{self.help_desk}(24時間)
{CENTER_JA}

----------------------------------------------------------------

To: {to.full_name}, {office.code}

This is the {self.service_en}.

{en}

Replies to this mail are not read.
Manuals and error codes: {self._bulletin}en/
Help desk: {self.help_desk} (24 hours)
{CENTER_EN}
"""
        return Letter(subject, body)

    @property
    def _bulletin(self) -> str:
        return f"{self.portal_url.rstrip('/')}/bulletin/"

    def _ended(self, to: Contact, office: Office, receipt: Receipt, reason: str | None, ending: tuple[str, str, str]) -> Letter:
        subject, told_ja, told_en = ending
        ja = f"{told_ja}\n\n{_receipt_ja(receipt)}\n"
        en = f"{told_en}\n\n{_receipt_en(receipt)}\n"
        if reason is not None:
            ja += f"\n理由：\n{reason}\n"
            en += f"\nReason:\n{reason}\n"
        return self.compose(to, office, subject, f"{ja}\n{self._link_ja()}", f"{en}\n{self._link_en()}")

    def _link_ja(self) -> str:
        return f"サポートシステム：{self.portal_url}"

    def _link_en(self) -> str:
        return f"Support system: {self.portal_url}"


_ENDINGS = {
    "rejected": (
        "【NSS】利用申込をお受けできないお知らせ",
        "審査の結果、お申込をお受けすることができませんでした。",
        "After review we could not accept your application.",
    ),
    "cancelled": (
        "【NSS】利用申込取消しのお知らせ",
        "次のお申込を取り消しました。このお申込で登録した端末はご利用になれません。",
        "The application below was cancelled. Terminals that it added can not be used.",
    ),
    "void": (
        "【NSS】利用申込無効のお知らせ",
        "次のお申込は期限までに手続きが完了しなかったため、無効になりました。",
        "The application below became void because something was not completed in time.",
    ),
    "withdrawn": (
        "【NSS】利用申込取下げのお知らせ",
        "お申込の取下げを受け付けました。",
        "We have taken the withdrawal of your application.",
    ),
}


def post(
    session: Session,
    write: Callable[[Contact], Letter],
    *,
    now: datetime,
    office: Office,
    contacts: tuple[Contact, ...],
    attachment: outbox.Attachment | None = None,
) -> None:
    """Put a mail to each contact into the outbox, one only to an address that several have."""
    addressed = {contact.mail.casefold(): contact for contact in reversed(contacts)}
    for contact in reversed(addressed.values()):
        letter = write(contact)
        message = outbox.Message(letter.subject, letter.body, attachment)
        outbox.post_message(session, message, now=now, recipient=contact.mail, office_code=office.code)


def receipt(number: str, applied_at: datetime) -> Receipt:
    """Return what mails name of an application: its number and its day in Tokyo."""
    return Receipt(number, tokyo_date(applied_at))


def _list(lines: tuple[str, ...], mark: str) -> str:
    return "\n".join(f"{mark}{line}" for line in lines)


def _ja(day: date) -> str:
    return f"{day:%Y/%m/%d}"


def _receipt_ja(receipt: Receipt) -> str:
    return f"申込受付年月日：{_ja(receipt.applied_on)}\n申込受付番号：{receipt.number}"


def _receipt_en(receipt: Receipt) -> str:
    return f"Received on: {receipt.applied_on.isoformat()}\nReceipt number: {receipt.number}"
