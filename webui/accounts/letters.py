"""The mails about accounts, in Japanese with English below."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from kernel import outbox
from registry.letters import CENTER_EN, CENTER_JA, Letters
from webui.accounts.persons import Person

WHO_ASKS = "心当たりがない場合は、このメールを破棄してヘルプデスクへご連絡ください。"
WHO_ASKS_EN = "If you did not expect this mail, ignore it and tell the help desk."


@dataclass(frozen=True)
class UserLetters:
    """Words and posts the mails about accounts; `letters` says who writes and whom to call."""

    letters: Letters

    def invited(self, session: Session, person: Person, link: str, now: datetime, *, office: str) -> None:
        """Invite somebody to choose the password of a new account: the office's first one, or a further one."""
        ja = f"""\
{office or CENTER_JA}のユーザーとして登録されました。次のリンクを開いてパスワードを設定すると、ログインできます。

{_names_ja(person)}

{link}

{WHO_ASKS}"""
        en = f"""\
An account was made for you. Open the link above and choose a password; then you can log in.
The link works once.

{_names_en(person)}

{WHO_ASKS_EN}"""
        self.post(session, person, "【NSS】ユーザー登録のお知らせ", ja, en, now)

    def forgotten(self, session: Session, person: Person, link: str, now: datetime) -> None:
        """Give somebody who forgot the password a link to choose another."""
        ja = f"""\
パスワードの再設定の申し出を受け付けました。次のリンクを開いて、新しいパスワードを設定してください。

{_names_ja(person)}

{link}

設定するまで、これまでのパスワードはそのまま使えます。{WHO_ASKS}"""
        en = f"""\
Somebody asked to choose a new password for your account. Open the link above to do so.
The link works once. Until then the present password stays as it is.

{_names_en(person)}

{WHO_ASKS_EN}"""
        self.post(session, person, "【NSS】パスワード再設定のご案内", ja, en, now)

    def chosen(self, session: Session, person: Person, now: datetime) -> None:
        """Tell that a password was chosen by a link."""
        ja = f"""\
パスワードを設定しました。これまでのログインはすべて終了しました。

{_names_ja(person)}

{WHO_ASKS}"""
        en = f"""\
The password of your account was set. Everyone who was logged in with it was logged out.

{_names_en(person)}

If that was not you, call the help desk at once."""
        self.post(session, person, "【NSS】パスワード設定完了のお知らせ", ja, en, now)

    def changed(self, session: Session, person: Person, now: datetime) -> None:
        """Tell that somebody who was logged in changed the password."""
        ja = f"""\
パスワードが変更されました。変更したブラウザーのほかのログインは、すべて終了しました。

{_names_ja(person)}

心当たりがない場合は、すぐにヘルプデスクへご連絡ください。"""
        en = f"""\
The password of your account was changed. Everyone else who was logged in with it was logged out.

{_names_en(person)}

If that was not you, call the help desk at once."""
        self.post(session, person, "【NSS】パスワード変更のお知らせ", ja, en, now)

    def post(self, session: Session, person: Person, subject: str, ja: str, en: str, now: datetime) -> None:
        """Put a mail to the person into the outbox: nobody else's of the office to read."""
        message, office_code = outbox.Message(subject, self.framed(person.name, ja, en)), person.office_code or None
        outbox.post_message(session, message, now=now, recipient=person.mail, office_code=office_code, is_personal=True)

    def framed(self, name: str, ja: str, en: str) -> str:
        """Return two texts with salutation and foot."""
        letters = self.letters
        return f"""\
{name}　様

{letters.service_ja}です。いつもご利用いただきありがとうございます。

{ja}

このメールは送信専用のため、ご返信いただいてもお答えできません。
お問い合わせ：ヘルプデスク　{letters.help_desk}(24時間)
{CENTER_JA}

----------------------------------------------------------------

To: {name}

This is the {letters.service_en}.

{en}

Replies to this mail are not read.
Help desk: {letters.help_desk} (24 hours)
{CENTER_EN}
"""


def _names_ja(person: Person) -> str:
    office = f"事業所コード：{person.office_code}\n" if person.office_code else ""
    return f"{office}ユーザーID：{person.login}"


def _names_en(person: Person) -> str:
    office = f"Office code: {person.office_code}\n" if person.office_code else ""
    return f"{office}User ID: {person.login}"
