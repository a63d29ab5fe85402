"""The mails about an account's log-in: Japanese with English below. They carry no link, no code and no secret.

Who gets one of these without having done the deed shall know at once what to do; a link in such a mail would teach people
to follow those of others.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from sqlalchemy.orm import Session

from kernel import outbox
from kernel.clock import TOKYO
from webui.accounts import Person


class Event(Enum):
    """What happened to an account's log-in, in Japanese and English; `%s` is a detail."""

    TOTP_ADDED = ("認証アプリを登録しました", "An authenticator app was added")
    TOTP_REMOVED = ("認証アプリを削除しました", "The authenticator app was removed")
    PASSKEY_ADDED = ("パスキー「%s」を登録しました", 'The passkey "%s" was added')
    PASSKEY_REMOVED = ("パスキー「%s」を削除しました", 'The passkey "%s" was removed')
    RECOVERY_RENEWED = (
        "回復コードを作り直しました。以前の回復コードは使えません",
        "The recovery codes were renewed; older ones are void",
    )
    RECOVERY_USED = ("回復コードを使いました。残りは%s個です", "A recovery code was used; %s are left")
    RESET = ("センターが二段階認証を解除しました", "The center removed all second factors")
    NEW_DEVICE = ("これまで使われていないブラウザーからログインしました(%s)", "Somebody logged in from a new device (%s)")
    LOCKED = (
        "正しいパスワードのあとに、確認コードの誤りが続きました。パスワードを他人に知られているおそれがあります",
        "Wrong codes followed the right password; somebody else may know the password",
    )


@dataclass(frozen=True)
class AccountLetters:
    """Words these mails."""

    service_ja: str = "利用者認証センター サポートシステム"
    service_en: str = "Terminal Authentication Center Support System"
    help_desk: str = "0120-000-000"

    def post(self, session: Session, person: Person, event: Event, now: datetime, detail: str = "") -> None:
        """Put the mail about an event into the outbox, to the person."""
        ja, en = (text.replace("%s", detail) for text in event.value)
        account = f"{person.office_code} / {person.login}" if person.office_code else person.login
        local = f"{now.astimezone(TOKYO):%Y/%m/%d %H:%M}"
        body = f"""\
{person.name} 様

{self.service_ja}のログインについてお知らせします。

ユーザー：{account}
内容：{ja}。
日時：{local}(日本時間)

お心当たりがない場合は、すぐにヘルプデスク({self.help_desk}、24時間)へご連絡ください。
このメールにリンクはありません。

――――――――――――――――
Dear {person.name},

This is about your log-in at the {self.service_en}.

User: {account}
What happened: {en}.
When: {local.replace("/", "-")} (Japan time)

If this was not you, please call the help desk at once ({self.help_desk}, day and night).
This mail contains no link.
"""
        outbox.post_message(
            session,
            outbox.Message("【NSS】ログインに関するお知らせ", body),
            now=now,
            recipient=person.mail,
            office_code=person.office_code or None,
            is_personal=True,
        )
