"""The mails about to whom codes are shown, and of freezes: Japanese with English below, never a code."""

from collections.abc import Sequence

from enrollment.letters import Envelope, post_mail
from registry.applicants import Contact


def post_chosen(to: Envelope, *, is_split: bool) -> None:
    """Tell the administrator that staff changed to whom the office's codes are shown."""
    ja = (
        "今後、端末アクセスキーと認証コード2は管理責任者に、認証コード3は申込を行った方に表示します。1人ですべては見られません。"
        if is_split
        else "今後、端末アクセスキーと認証コードは、コードを見る権限のある方1人にすべて表示します。"
    )
    en = (
        "From now on the access key and code 2 are shown to the administrator, and code 3 to whoever applied."
        if is_split
        else "From now on whoever may see codes is shown all of them."
    )
    note = "お心当たりがない場合は、ヘルプデスクへご連絡ください。"
    post_mail(
        to, "【NSS】コードの表示方法変更のお知らせ", f"{ja}\n\n{note}", f"{en}\nIf you did not ask for this, call the help desk."
    )


def post_frozen(to: Envelope, terminals: Sequence[str], login: str, page: str, applicant: Contact | None) -> None:
    """Tell administrator and applicant who froze codes, and what thawing takes."""
    ja = f"""\
次の論理端末のコードが凍結されました。このコードではデジタル証明書を取得できません。

論理端末名：{"、".join(terminals)}
凍結した方：{login}

凍結を解除するには、サポートシステムでの管理責任者の同意と、センターの確認の両方が必要です。
コードが他人に知られたおそれがある場合は、同意せずに再発行をお申し込みください。
{page}"""
    en = f"""\
The codes of {", ".join(terminals)} were frozen by {login}: no certificate can be retrieved with them.
To thaw them takes the administrator's consent in the support system and the center's confirmation.
If others may know the codes, do not consent: ask for a reissue.
{page}"""
    post_mail(to, "【NSS】コード凍結のお知らせ", ja, en, also_to=applicant)


def post_consent_wanted(to: Envelope, terminal: str, page: str) -> None:
    """Tell the administrator that the center has agreed to thaw codes, and waits for the consent."""
    ja = f"""\
センターは、論理端末 {terminal} のコードの凍結を解除することを確認しました。
管理責任者の方がサポートシステムで同意すると、凍結が解除されます。
{page}"""
    en = f"""\
The center has agreed to thaw the codes of terminal {terminal}.
They can be used again as soon as the administrator consents in the support system.
{page}"""
    post_mail(to, f"【NSS】コード凍結解除への同意のお願い({terminal})", ja, en)


def post_thawed(to: Envelope, terminal: str, applicant: Contact | None) -> None:
    """Tell administrator and applicant that codes can be redeemed again."""
    ja = f"""\
論理端末 {terminal} のコードの凍結を、管理責任者の同意とセンターの確認により解除しました。
同じコードで、再びデジタル証明書を取得できます。"""
    en = f"""\
The codes of terminal {terminal} were thawed, with the administrator's consent and the center's confirmation.
The certificate can be retrieved with the same codes again."""
    post_mail(to, f"【NSS】コード凍結解除のお知らせ({terminal})", ja, en, also_to=applicant)
