"""The mails of a reissue: Japanese with English below, never a code, never a key.

They go to the office's administrator and to whoever asked. What they say of the present certificate is asked of it: it may
have expired, or have been revoked meanwhile.
"""

from enrollment import credentials
from enrollment.letters import Envelope, freeze_address, post_mail, revocation_address
from enrollment.reissue_records import ReissueReason, ReissueView

# In the words of the operator's list (domain rules, "Renewal, reissue, suspension").
REASONS: dict[ReissueReason, tuple[str, str]] = {
    ReissueReason.WINDOWS_ACCOUNT: ("Windowsアカウントの変更", "the Windows account was changed"),
    ReissueReason.PC_REPLACED: ("パソコンの入替え", "the PC was replaced"),
    ReissueReason.OS_REPLACED: ("OSの入替え", "the operating system was replaced"),
    ReissueReason.CERTIFICATE_DELETED: ("証明書の削除", "the certificate was deleted"),
    ReissueReason.EXPIRED: ("更新せずに有効期限が切れた", "it expired without renewal"),
    ReissueReason.MISTAKE: ("取得・更新時の操作誤り", "a mistake while retrieving or renewing"),
    ReissueReason.WRONG_BROWSER: ("ブラウザーの選択誤り", "the wrong browser was used"),
    ReissueReason.UNUSABLE: ("その他の理由で使用できない", "it can not be used for another reason"),
    ReissueReason.WINDOWS_PASSWORD: ("Windowsパスワードの変更", "the Windows password was changed"),
    ReissueReason.NETWORK_SETTINGS: ("サーバー・ネットワーク設定の変更", "server or network settings were changed"),
    ReissueReason.LOST: ("紛失", "it was lost"),
    ReissueReason.STOLEN: ("盗難", "it was stolen"),
    ReissueReason.COMPROMISED: ("鍵の漏えい", "the key was compromised"),
}


def post_requested(to: Envelope, reissue: ReissueView) -> None:
    """Tell that somebody asked for a reissue."""
    japanese, english = REASONS[reissue.reason]
    fate, fate_english = _meanwhile(to, reissue)
    ja = f"""\
論理端末 {reissue.terminal} のデジタル証明書の再発行のお申込を受け付けました。

理由：{japanese}

内容を確認のうえ、あらためてお知らせします。
{fate}
お心当たりがない場合は、ヘルプデスクへご連絡ください。"""
    en = f"""\
We received a request to reissue the certificate of terminal {reissue.terminal} (reason: {english}).
You will hear from us.
{fate_english}
If this was none of you, call the help desk."""
    _post(to, reissue, "再発行申込受付の", ja, en)


def post_accepted(to: Envelope, reissue: ReissueView) -> None:
    """Tell that a reissue was accepted, and from when the codes can be expected."""
    japanese, english = REASONS[reissue.reason]
    fate, fate_english = _FATES[reissue.reason.is_compromise] if _is_usable(to, reissue) else _NONE
    ja = f"""\
論理端末 {reissue.terminal} のデジタル証明書を再発行します。

理由：{japanese}
コードの準備：{reissue.ready_on:%Y/%m/%d} 以降

{fate}"""
    en = f"""\
The certificate of terminal {reissue.terminal} will be reissued (reason: {english}).
Its codes will be ready on {reissue.ready_on:%Y-%m-%d} or later. {fate_english}"""
    _post(to, reissue, "再発行の", ja, en)


def post_declined(to: Envelope, reissue: ReissueView, why: str) -> None:
    """Tell why a reissue was declined."""
    fate, fate_english = _afterwards(to, reissue)
    ja = f"""\
論理端末 {reissue.terminal} のデジタル証明書の再発行は、お受けできませんでした。

理由：
{why}

{fate}"""
    en = f"""\
The certificate of terminal {reissue.terminal} will not be reissued. The reason stands above.
{fate_english}"""
    _post(to, reissue, "再発行をお受けできない", ja, en)


def post_withdrawn(to: Envelope, reissue: ReissueView, *, by_center: bool) -> None:
    """Tell that a request was taken back, by somebody of the office or by the center."""
    who, who_english = _WHO[by_center]
    fate, fate_english = _afterwards(to, reissue)
    ja = f"""\
論理端末 {reissue.terminal} のデジタル証明書の再発行のお申込を、{who}が取り下げました。

{fate}
お心当たりがない場合は、ヘルプデスクへご連絡ください。"""
    en = f"""\
The request to reissue the certificate of terminal {reissue.terminal} was withdrawn by {who_english}.
{fate_english}
If this was none of you, call the help desk."""
    _post(to, reissue, "再発行申込取下げの", ja, en)


def post_prepared(to: Envelope, reissue: ReissueView) -> None:
    """Tell that the new certificate can be retrieved."""
    ja = f"""\
論理端末 {reissue.terminal} の新しいデジタル証明書を取得する準備ができました。
新しく使うパソコンで取得作業を行ってください。端末アクセスキーも新しくなります。

取得期限：{reissue.ends_on:%Y/%m/%d}

期限までに取得されない場合、端末の利用が停止されます。
取得に必要なコードは、このメールには記載していません。サポートシステムの「新着情報」の詳細でご確認ください。
{to.letters.portal_url}

お心当たりがない場合は、次のページでコードを凍結してください。事業所のどなたでも凍結できます。
{freeze_address(to.letters.portal_url, None)}"""
    en = f"""\
The new certificate of terminal {reissue.terminal} is ready to be retrieved, on the PC that will use it, until
{reissue.ends_on:%Y-%m-%d}; there is a new access key, too. A terminal whose new certificate is not retrieved in time
is suspended.
The codes are not in this mail: log in to the support system and open the details of the news.
If this was none of you, freeze the codes; anyone of the office can:
{freeze_address(to.letters.portal_url, None)}"""
    _post(to, reissue, "デジタル証明書発行完了の", ja, en)


_FATES = {
    False: (
        "新しい証明書を取得するまで、今の証明書をご利用になれます。取得した時点で、今の証明書は失効します。",
        "The present certificate can be used until the new one is retrieved, which revokes it.",
    ),
    True: (
        "今の証明書は直ちに失効しました。新しい証明書を取得するまでログオンできません。",
        "The present certificate was revoked at once: logging on is possible again when the new one is retrieved.",
    ),
}
_MEANWHILE = (
    "新しい証明書を取得するまで、今の証明書をご利用になれます。",
    "Until the new certificate is retrieved, the present one can be used.",
)
_UNDECIDED = (
    "今の証明書は、センターが承認するまで有効です。",
    "The present certificate stays good until the center accepts the request.",
)
_NONE = (
    "この端末には、今ログオンできる証明書がありません。新しい証明書を取得するまでログオンできません。",
    "The terminal has no certificate that logs on now: logging on is possible when the new one is retrieved.",
)
_WHO = {False: ("事業所のユーザー", "a user of your office"), True: ("センター", "the center")}
_STAYS = ("今の証明書は引き続きご利用になれます。", "The present certificate can be used as before.")
_ENDED = (
    "今の証明書は失効したままです。ログオンするには、あらためて再発行をお申し込みください。",
    "The present certificate stays revoked: to log on again, ask for another reissue.",
)
_NEITHER = (
    "この端末には、今ログオンできる証明書がありません。ログオンするには、あらためて再発行をお申し込みください。",
    "The terminal has no certificate that logs on now: to log on, ask for another reissue.",
)


def _meanwhile(to: Envelope, reissue: ReissueView) -> tuple[str, str]:
    """Return what is true of the present certificate while nobody has decided."""
    if not _is_usable(to, reissue):
        return _NONE
    if not reissue.reason.is_compromise:
        return _MEANWHILE
    return _warning(to, reissue, *_UNDECIDED)


def _afterwards(to: Envelope, reissue: ReissueView) -> tuple[str, str]:
    """Return what is true of the present certificate when nothing comes of the request."""
    if reissue.reason.is_compromise and reissue.accepted_at is not None:
        return _ENDED
    if not _is_usable(to, reissue):
        return _NEITHER
    return _warning(to, reissue, *_STAYS) if reissue.reason.is_compromise else _STAYS


def _warning(to: Envelope, reissue: ReissueView, ja: str, en: str) -> tuple[str, str]:
    """Return that a certificate which others may have is still good, and where the office ends it by itself."""
    own = revocation_address(to.letters.portal_url, reissue.terminal)
    return (
        f"{ja}ほかの人に使われるおそれがあるときは、次のページで今すぐ失効させてください。\n{own}",
        f"{en} If others may use it, revoke it now, on this page:\n{own}",
    )


def _is_usable(to: Envelope, reissue: ReissueView) -> bool:
    return credentials.is_usable(to.session, reissue.terminal, to.now)


def _post(to: Envelope, reissue: ReissueView, subject: str, ja: str, en: str) -> None:
    asker = to.letters.correspondent(to.session, reissue.requester)
    post_mail(to, f"【NSS】{subject}お知らせ({reissue.terminal})", ja, en, also_to=asker)
