"""The center's first page: what waits, for the reader first."""

from dataclasses import dataclass

import flask

from enrollment import staff_views
from kernel import outbox
from kernel.outbox import MailState
from registry import terminals
from registry.applications import workload
from registry.applications.workload import Task
from registry.states import TerminalState
from webui import guard
from webui.accounts import Role
from webui.doorway import doorway
from webui.texts import mark

blueprint = flask.Blueprint("home", __name__)


@dataclass(frozen=True)
class Waiting:
    """So many things that wait, for whom, and where they are listed. `tone` colours a number that is not zero."""

    label: str
    hint: str
    count: int
    address: str
    role: Role | None
    tone: str = "info"


@blueprint.get("/")
@guard.staff()
def menu() -> str:
    """Show what waits: the reader's own tasks first, then everything else."""
    person = guard.person()
    waiting = _waiting()
    own = tuple(task for task in waiting if task.role is not None and person.may(task.role))
    return flask.render_template("menu.html", own=own, others=tuple(task for task in waiting if task not in own))


def _waiting() -> tuple[Waiting, ...]:
    parts = doorway().parts
    with parts.database.snapshot() as session:
        tasks = workload.counts(session)
        frozen = staff_views.frozen_count(session)
        locked = len(staff_views.locked_sets(session, parts.clock.now()))
        failed = outbox.count(session, outbox.Wanted(state=MailState.FAILED))
        suspended = terminals.search(session, state=TerminalState.SUSPENDED, size=1).total

    def queue(task: Task) -> str:
        return flask.url_for("applications.queue", tab=task.value)

    codes = flask.url_for("terminals.codes")
    stopped = flask.url_for("terminals.listed", state=TerminalState.SUSPENDED.value)
    undelivered = flask.url_for("mails.listed", state=MailState.FAILED.value)
    review, issuing, security = Role.REVIEW, Role.ISSUING, Role.SECURITY
    return (
        Waiting(
            mark("審査を待つ申込"),
            mark("内容を確認し、承認・確認・不承認を決めます。"),
            tasks[Task.REVIEW],
            queue(Task.REVIEW),
            review,
        ),
        Waiting(
            mark("お客様の回答を待つ申込"),
            mark("回答か取下げがあるまで待ちます。"),
            tasks[Task.ANSWER],
            queue(Task.ANSWER),
            review,
            "plain",
        ),
        Waiting(
            mark("実施を待つ変更項目のある申込"),
            mark("手作業で変更し、実施済みにします。"),
            tasks[Task.EXECUTE],
            queue(Task.EXECUTE),
            review,
        ),
        Waiting(
            mark("コードの準備を待つ申込"),
            mark("承認した職員とは別の職員が準備します。"),
            tasks[Task.PREPARE],
            queue(Task.PREPARE),
            issuing,
        ),
        Waiting(mark("誤入力でロックされたコード"), mark("本人の誤りと確認できたら解除します。"), locked, codes, issuing, "warn"),
        Waiting(mark("凍結されたコード"), mark("解除するか、差し替えます。"), frozen, codes, issuing, "warn"),
        Waiting(mark("停止中の端末"), mark("停止の理由がなくなれば解除します。"), suspended, stopped, security, "plain"),
        Waiting(
            mark("送信できなかったメール"), mark("宛先を確かめ、お客様に別の方法で連絡します。"), failed, undelivered, None, "bad"
        ),
    )
