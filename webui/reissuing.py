"""再発行 in the words of both doors: states, reasons, and what becomes of the old certificate."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from enrollment.credentials import CertificateView
from enrollment.reissue_letters import REASONS
from enrollment.reissue_records import ReissueReason, ReissueState
from enrollment.staff_views import CertificateState, IssuedCertificate
from webui.texts import language, mark, say
from webui.words import Label

STATES: Mapping[ReissueState, Label] = {
    ReissueState.REQUESTED: Label(mark("センター確認中"), "info"),
    ReissueState.ACCEPTED: Label(mark("コード準備中"), "info"),
    ReissueState.PREPARED: Label(mark("証明書取得可能"), "good"),
    ReissueState.COMPLETED: Label(mark("取得済み"), "good"),
    ReissueState.DECLINED: Label(mark("不承認"), "bad"),
    ReissueState.WITHDRAWN: Label(mark("取下げ")),
    ReissueState.LAPSED: Label(mark("終了(取得なし)"), "bad"),
}
COMPROMISES = tuple(reason for reason in ReissueReason if reason.is_compromise)


def reason_name(reason: ReissueReason) -> str:
    """Return a reason in the reader's language, as it stands alone."""
    japanese, english = REASONS[reason]
    return english[0].upper() + english[1:] if language() == "en" else japanese


def choices(reasons: Iterable[ReissueReason] = ReissueReason) -> list[tuple[str, str]]:
    """Return reasons as values and texts; those that end the old certificate at once say so."""
    at_once = say(mark("(今の証明書はすぐに失効します)"))
    return [(reason.value, reason_name(reason) + (at_once if reason.is_compromise else "")) for reason in reasons]


def consequences(
    reason: ReissueReason | None, certificate: CertificateView | IssuedCertificate | None, now: datetime
) -> tuple[str, ...]:  # fmt: skip
    """Return what a reissue does to the terminal, finished sentences; before a reason was chosen, what may come."""
    is_usable = certificate is not None and certificate.state is CertificateState.VALID and now <= certificate.not_after
    told = [
        *_while_usable(reason, is_usable=is_usable),
        mark("端末アクセスキーと認証コードは新しくなります。準備ができると、今のコードは使えなくなります。"),
    ]
    if certificate is None:
        told.insert(0, mark("証明書はまだ取得されていません。新しいコードで取得します。"))
    return tuple(map(say, told))


def _while_usable(reason: ReissueReason | None, *, is_usable: bool) -> list[str]:
    if not is_usable:
        return [
            mark("今ログオンできる証明書はありません。新しい証明書を取得すると、ログオンできるようになります。"),
            mark("取得できるようになってから2か月以内に取得しないと、端末は停止します。"),
        ]
    told = []
    if not (reason and reason.is_compromise):
        told += [
            mark("今の証明書は、新しい証明書を取得するまで使えます。取得すると、その時点で失効します。"),
            mark("取得できるようになってから2か月以内に取得しないと、今の証明書は失効し、端末は停止します。"),
            mark("センターが承認したあとは、今の証明書を更新できません。"),
        ]
    if reason is None or reason.is_compromise:
        told += [
            mark("紛失・盗難・鍵の漏えいのときは、センターが承認すると同時に今の証明書が失効し、取得までログオンできません。"),
            mark("承認までは、今の証明書でログオンできます。すぐに止めるときは、承認を待たずに証明書を失効させてください。"),
        ]
    return told
