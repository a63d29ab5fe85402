"""The center's first page: what waits, for the reader first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import flask

from enrollment import reissue_records, staff_views
from enrollment.reissue_records import Stage
from kernel import outbox
from kernel.clock import tokyo_date
from kernel.outbox import MailState
from registry import terminals
from registry.applications import workload
from registry.applications.workload import Task
from registry.states import TerminalState
from webui import guard
from webui.accounts import Role
from webui.accounts.addresses import open_changes
from webui.doorway import doorway
from webui.texts import mark

blueprint = flask.Blueprint("home", __name__)


@dataclass(frozen=True)
class Kind:
    """A kind of thing that may wait: for whom, and where it is listed. `tone` colours a number that is not zero."""

    label: str
    hint: str
    endpoint: str
    role: Role | None
    query: Mapping[str, Any] = field(default_factory=dict)
    tone: str = "info"


@dataclass(frozen=True)
class Waiting:
    """So many things of a kind."""

    kind: Kind
    count: int
    address: str


_QUEUE, _CODES, _REISSUES = "applications.queue", "terminals.codes", "reissues.listed"
KINDS: Mapping[str, Kind] = {
    Task.REVIEW: Kind(
        mark("審査を待つ申込"),
        mark("内容を確認し、承認・確認・不承認を決めます。"),
        _QUEUE,
        Role.REVIEW,
        {"tab": Task.REVIEW},
    ),
    Task.ANSWER: Kind(
        mark("お客様の回答を待つ申込"),
        mark("回答か取下げがあるまで待ちます。"),
        _QUEUE,
        Role.REVIEW,
        {"tab": Task.ANSWER},
        "plain",
    ),
    Task.EXECUTE: Kind(
        mark("実施を待つ変更項目のある申込"),
        mark("手作業で変更し、実施済みにします。"),
        _QUEUE,
        Role.REVIEW,
        {"tab": Task.EXECUTE},
    ),
    Task.PREPARE: Kind(
        mark("コードの準備を待つ申込"),
        mark("承認した職員とは別の職員が準備します。"),
        _QUEUE,
        Role.ISSUING,
        {"tab": Task.PREPARE},
    ),
    "reissue-decide": Kind(
        mark("判断を待つ再発行"), mark("承認するか、理由を添えて不承認にします。"), _REISSUES, Role.REVIEW, {"tab": Stage.DECIDE}
    ),
    "reissue-prepare": Kind(
        mark("コードの準備を待つ再発行"),
        mark("承認した職員とは別の職員が準備します。"),
        _REISSUES,
        Role.ISSUING,
        {"tab": Stage.PREPARE},
    ),
    "reissue-late": Kind(
        mark("遅れている再発行"),
        mark("お客様を待たせています。担当の職員に確認します。"),
        _REISSUES,
        None,
        {"tab": Stage.LATE},
        "bad",
    ),
    "locked": Kind(
        mark("誤入力でロックされたコード"), mark("本人の誤りと確認できたら解除します。"), _CODES, Role.ISSUING, tone="warn"
    ),
    "frozen": Kind(mark("凍結されたコード"), mark("解除するか、差し替えます。"), _CODES, Role.ISSUING, tone="warn"),
    "suspended": Kind(
        mark("停止中の端末"),
        mark("停止の理由がなくなれば解除します。"),
        "terminals.listed",
        Role.SECURITY,
        {"state": TerminalState.SUSPENDED},
        "plain",
    ),
    "addresses": Kind(
        mark("確認を待つ連絡先の変更"),
        mark("変更前のアドレスが使えないとき、お客様を確認して承認します。"),
        "address_changes.listed",
        Role.SECURITY,
        tone="plain",
    ),
    "undelivered": Kind(
        mark("送信できなかったメール"),
        mark("宛先を確かめ、お客様に別の方法で連絡します。"),
        "mails.listed",
        None,
        {"state": MailState.FAILED},
        "bad",
    ),
}


@blueprint.get("/")
@guard.staff()
def menu() -> str:
    """Show what waits: the reader's own tasks first, then everything else."""
    person, counts = guard.person(), _counts()
    waiting = [Waiting(kind, counts[key], flask.url_for(kind.endpoint, **kind.query)) for key, kind in KINDS.items()]
    own = [one for one in waiting if one.kind.role is not None and person.may(one.kind.role)]
    return flask.render_template("menu.html", own=own, others=[one for one in waiting if one not in own])


def _counts() -> Mapping[str, int]:
    parts = doorway().parts
    now = parts.clock.now()
    with parts.database.snapshot() as session:
        return {
            **{f"reissue-{stage}": count for stage, count in reissue_records.counts(session, tokyo_date(now)).items()},
            **{task.value: count for task, count in workload.counts(session).items()},
            "locked": staff_views.locked_count(session, now),
            "frozen": staff_views.frozen_count(session),
            "suspended": terminals.count_suspended(session),
            "addresses": len(open_changes(session, now)),
            "undelivered": outbox.count(session, outbox.Wanted(state=MailState.FAILED)),
        }
