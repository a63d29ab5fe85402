"""The mails of a generation change, one to each office: Japanese with English below, never a code, never a key."""

from collections.abc import Sequence
from datetime import date

from enrollment.letters import Envelope, post_mail

# More names than these are counted: the portal lists them all.
NAMED = 60


def post_prepared(to: Envelope, generation: str, terminals: Sequence[str], *, expires_on: date, ends_on: date) -> None:
    """Tell an office that its terminals must retrieve anew, and can."""
    ja = f"""\
システムの世代変更({generation})に伴い、次の論理端末は新しいデジタル証明書を取得してください。

論理端末：{_named_ja(terminals)}
取得に使うコードの期限：{expires_on:%Y/%m/%d}
今の証明書を使える最終日：{ends_on:%Y/%m/%d}

新しい証明書を取得するまで、今の証明書をご利用になれます。取得した時点で、今の証明書は失効します。
最終日までに取得されない端末は、翌日からログオンできません。端末アクセスキーも新しくなります。

取得に必要なコードは、このメールには記載していません。サポートシステムの「新着情報」の詳細でご確認ください。
複数の端末の証明書を、サポートシステムの「証明書の一括取得」でまとめて取得することもできます。
{to.letters.portal_url}"""
    en = f"""\
Because of the change of system generation "{generation}", these terminals must retrieve a new certificate:
{_named_en(terminals)}.
Their codes are good until {expires_on:%Y-%m-%d}, their present certificates until {ends_on:%Y-%m-%d} or until the new one
is retrieved. Afterwards a terminal without a new certificate can not log on. There is a new access key, too.
The codes are not in this mail: log in to the support system and open the details of the news. Certificates of many
terminals can be retrieved together there."""
    post_mail(to, f"【NSS】新しいデジタル証明書取得のお願い({generation})", ja, en)


def post_reminder(to: Envelope, generation: str, terminals: Sequence[str], *, ends_on: date, days: int) -> None:
    """Remind an office of the terminals that have not retrieved yet."""
    ja = f"""\
システムの世代変更({generation})に伴う新しいデジタル証明書を、まだ取得していない論理端末があります。

論理端末：{_named_ja(terminals)}
今の証明書を使える最終日：{ends_on:%Y/%m/%d}(あと{days}日)

最終日までに取得されない端末は、翌日からログオンできません。
コードの期限が切れている端末は、ヘルプデスクへご連絡ください。
{to.letters.portal_url}"""
    en = f"""\
These terminals have not retrieved their new certificate yet (change of system generation "{generation}"):
{_named_en(terminals)}.
Their present certificates are good until {ends_on:%Y-%m-%d} ({days} days left); afterwards they can not log on.
If their codes have expired, call the help desk."""
    post_mail(to, f"【NSS】新しいデジタル証明書取得のお願い(再送・あと{days}日)", ja, en)


def post_suspended(to: Envelope, generation: str, terminals: Sequence[str]) -> None:
    """Tell an office which terminals were suspended because they never retrieved."""
    ja = f"""\
システムの世代変更({generation})に伴う新しいデジタル証明書が期限までに取得されなかったため、
次の論理端末の利用を停止しました。

論理端末：{_named_ja(terminals)}

再びご利用になるには、ヘルプデスクへご連絡のうえ、再発行をお申し込みください。"""
    en = f"""\
These terminals were suspended: their new certificate (change of system generation "{generation}") was not retrieved
in time. {_named_en(terminals)}.
To use them again, call the help desk and apply for a reissue."""
    post_mail(to, f"【NSS】論理端末の利用停止のお知らせ({len(terminals)}端末)", ja, en)


def _named_ja(terminals: Sequence[str]) -> str:
    named = "、".join(terminals[:NAMED])
    left = len(terminals) - NAMED
    return f"{named} ほか{left}端末" if left > 0 else named


def _named_en(terminals: Sequence[str]) -> str:
    named = ", ".join(terminals[:NAMED])
    left = len(terminals) - NAMED
    return f"{named} and {left} more" if left > 0 else named
