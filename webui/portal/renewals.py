"""What the office is told about the end of its certificates: who can renew now, who can not any more."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.orm import Session

from enrollment import credentials, reissue_records
from enrollment.credentials import CertificateView
from enrollment.reissue_records import ACCEPTED
from enrollment.renewal_window import window_of
from kernel.clock import tokyo_date
from registry import terminals
from registry.states import TerminalState
from webui.doorway import doorway
from webui.portal.parts import office_code, portal
from webui.texts import gettext, mark, say, show_day

_LIVING = (TerminalState.PENDING, TerminalState.IN_SERVICE)
# So many terminals are named; of the others there is a number.
_NAMED = 5


@dataclass(frozen=True)
class EndingLine:
    """Terminals of one kind: how many, the first of them with their last days, and what is to be done, finished sentences."""

    title: str
    names: str
    advice: str
    is_over: bool = False


def banner(session: Session) -> tuple[EndingLine, ...]:
    """Return what is to be said of the office's certificates that end or have ended; nothing where all is well.

    Terminals that are being reissued are left out: they can not renew, or their PC is gone; their page says what is to be done.
    """
    now, terms = doorway().parts.clock.now(), portal().renewal_terms
    today = tokyo_date(now)
    found = credentials.ending(session, office_code(), by=today + timedelta(days=terms.days))
    names = [certificate.terminal for certificate in found]
    states = {name: one.state for name, one in terminals.named(session, names).items()}
    under_way = reissue_records.open_of(session, names)
    reissued = {name for name, one in under_way.items() if one.state in ACCEPTED or one.reason.is_compromise}
    living = [one for one in found if states[one.terminal] in _LIVING and one.terminal not in reissued]
    over = [one for one in living if _last_day(one) < today]
    near = [one for one in living if window_of(one.not_after, terms.days).is_open(now)]
    final = [one for one in near if terms.fixed_end is not None and _last_day(one) >= terms.fixed_end]
    lines = (
        _line(
            [one for one in near if one not in final],
            mark("証明書の更新が必要な端末が%(count)s台あります"),
            mark("証明書が入っているパソコンで、期限までに更新してください。期限を過ぎると更新できません。"),
        ),
        _line(
            final,
            mark("システムの世代の終わりで、証明書が終わる端末が%(count)s台あります"),
            mark("更新はできません。センターが用意する新しいコードで、新しい証明書を取得してください。"),
        ),
        _line(
            over,
            mark("証明書の有効期限が切れた端末が%(count)s台あります"),
            mark("更新はできません。再発行を申し込んでください。有効期限から2か月を過ぎると、端末は停止します。"),
            is_over=True,
        ),
    )
    return tuple(line for line in lines if line is not None)


def _line(those: list[CertificateView], title: str, advice: str, *, is_over: bool = False) -> EndingLine | None:
    if not those:
        return None
    named = [say(mark("%(terminal)s(%(day)sまで)"), terminal=one.terminal, day=show_day(_last_day(one))) for one in those]
    names = gettext(mark("、")).join(named[:_NAMED])
    if len(those) > _NAMED:
        names = say(mark("%(names)s ほか%(count)s台"), names=names, count=len(those) - _NAMED)
    return EndingLine(say(title, count=len(those)), names, gettext(advice), is_over)


def _last_day(certificate: CertificateView) -> date:
    return tokyo_date(certificate.not_after)
