"""The bulletin's notices as staff write them: list, form, preview, publishing, correction, withdrawal."""

from collections.abc import Mapping
from datetime import date

import flask
from werkzeug.wrappers import Response

from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry import bulletin
from registry.bulletin import CATEGORIES, Content, Notice, NoticeState, check_content, content_form
from registry.bulletin.records import NoticeEvent
from registry.faults import Faults, FieldFault
from registry.japanese import free_text
from webui import guard, markup
from webui.accounts import Role
from webui.center import deeds, listing
from webui.center.deeds import Confirmation
from webui.center.parts import center
from webui.center.sentences import sentence_of
from webui.doorway import doorway
from webui.sheet import Sheet
from webui.texts import gettext, language, mark, say, show_day, show_instant
from webui.words import Label, fault_sentence

blueprint = flask.Blueprint("notices", __name__, url_prefix="/bulletin")

STATES: Mapping[NoticeState, Label] = {
    NoticeState.DRAFT: Label(mark("下書き"), "info"),
    NoticeState.PUBLISHED: Label(mark("公開"), "good"),
    NoticeState.WITHDRAWN: Label(mark("取下げ済み")),
}
_PLANNED, _OVER = Label(mark("公開予定"), "warn"), Label(mark("掲載終了"))
EVENTS: Mapping[NoticeEvent | None, str] = {
    None: mark("下書きの作成"),
    NoticeEvent.EDIT: mark("下書きの変更"),
    NoticeEvent.PUBLISH: mark("公開"),
    NoticeEvent.CORRECT: mark("訂正"),
    NoticeEvent.WITHDRAW: mark("取下げ"),
}
FIELDS = (
    "category",
    "title_ja",
    "title_en",
    "body_ja",
    "body_en",
    "publish_from",
    "publish_until",
    "is_pinned",
    "is_urgent",
)
LABELS: Mapping[str, str] = {
    "category": mark("種別"),
    "title_ja": mark("件名(日本語)"),
    "title_en": mark("件名(英語)"),
    "body_ja": mark("本文(日本語)"),
    "body_en": mark("本文(英語)"),
    "publish_from": mark("公開日"),
    "publish_until": mark("掲載の最終日"),
    "reason": mark("取り下げる理由"),
}
_KEPT = mark("下書きを保存しました。まだ公開されていません。")
_PAGE, _REASON_MOST = 30, 500
_DIGITS = 9


@blueprint.get("/")
@guard.staff()
def listed() -> str:
    """Show notices, what was changed last first: of a state, with words."""
    state, text = listing.chosen("state", tuple(NoticeState)), listing.searched()
    with doorway().parts.database.snapshot() as session:
        found = bulletin.listed(
            session, state=NoticeState(state) if state else None, text=text, page=listing.page_number(), size=_PAGE
        )
    pager = listing.pager_of(found)
    return _shown("notices.html", found=found.records, pager=pager, state=state, text=text)


@blueprint.route("/new", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def new() -> Response | str:
    """Write a notice, see it as readers will, and keep it as a draft."""
    content = _typed(None)
    if isinstance(content, Sheet):
        return _form(None, content)
    if not deeds.is_confirmed():
        return _preview(None, content)
    number = center().bulletin.draft(content, guard.person().actor)
    return deeds.arrive(flask.url_for("notices.show", number=number), say(_KEPT))


@blueprint.get("/<number>")
@guard.staff()
def show(number: str) -> str:
    """Show a notice in both languages, where it stands, and its history."""
    notice = _notice(number)
    with doorway().parts.database.snapshot() as session:
        history = bulletin.revisions(session, notice.id)
    return _shown("notice.html", notice=notice, history=history, public_url=_public_url(notice))


@blueprint.route("/<number>/edit", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def edit(number: str) -> Response | str:
    """Change a draft, or correct what is published; the earlier text stays in the history."""
    notice = _notice(number)
    address = flask.url_for("notices.show", number=notice.id)
    content = _typed(notice)
    if isinstance(content, Sheet):
        return _form(notice, content)
    if not deeds.is_confirmed():
        return _preview(notice, content)

    def change() -> str:
        state = center().bulletin.change(notice.id, _version(), content, guard.person().actor)
        return say(_KEPT) if state is NoticeState.DRAFT else say(mark("訂正しました。"))

    return deeds.carry_out(change, address)


@blueprint.route("/<number>/publish", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def publish(number: str) -> Response | str:
    """Publish a draft, at once or from its day on."""
    notice = _notice(number)
    address = flask.url_for("notices.show", number=notice.id)
    if deeds.goes_back():
        return flask.redirect(address, 303)
    if not deeds.is_sent():
        return deeds.show(_publication(notice, address))

    def act() -> str:
        begins = center().bulletin.publish(notice.id, _version(), guard.person().actor)
        return say(mark("%(instant)sから公開します。"), instant=show_instant(begins))

    return deeds.carry_out(act, address)


@blueprint.route("/<number>/withdraw", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def withdraw(number: str) -> Response | str:
    """Take a notice away, with a reason that staff read."""
    notice = _notice(number)
    address = flask.url_for("notices.show", number=notice.id)
    typed = deeds.typed("reason")
    reason = free_text("reason", typed["reason"], most=_REASON_MOST, required=True) if deeds.is_sent() else ""
    if isinstance(reason, FieldFault):
        return _shown("notice-withdrawal.html", notice=notice, sheet=deeds.with_fault(typed, reason))
    if not reason or deeds.goes_back():
        return _shown("notice-withdrawal.html", notice=notice, sheet=typed)
    if not deeds.is_confirmed():
        return deeds.show(_withdrawal(notice, reason, address))

    def act() -> str:
        center().bulletin.withdraw(notice.id, _version(), guard.person().actor, reason=reason)
        return say(mark("お知らせを取り下げました。"))

    return deeds.carry_out(act, address)


def label_of(notice: Notice) -> Label:
    """Return where a notice stands at this moment: of what is published also whether it is seen already or still."""
    now = doorway().parts.clock.now()
    if notice.state is not NoticeState.PUBLISHED or notice.is_visible(now):
        return STATES[notice.state]
    return _PLANNED if notice.visible_from is not None and notice.visible_from > now else _OVER


def title_of(notice: Notice) -> str:
    """Return a notice's title in the reader's language."""
    return notice.content.title_en if language() == "en" else notice.content.title_ja


def category_name(code: str) -> str:
    """Return a category in the reader's language."""
    category = CATEGORIES.get(code)
    return code if category is None else category.en if language() == "en" else category.ja


def _notice(number: str) -> Notice:
    if not (number.isascii() and number.isdecimal() and len(number) <= _DIGITS):
        flask.abort(404)
    with doorway().parts.database.snapshot() as session:
        return bulletin.find(session, int(number)) or flask.abort(404)


def _typed(notice: Notice | None) -> Content | Sheet:
    """Return the content that was sent, or the form to show: with faults, or as it was before anybody typed."""
    if not deeds.is_sent():
        return Sheet(content_form(notice.content)) if notice else Sheet({})
    sheet = deeds.typed(*FIELDS, "version")
    now = doorway().parts.clock.now()
    content = check_content(flask.request.form.to_dict(flat=False), tokyo_date(now), began=_began(notice))
    if isinstance(content, Faults):
        return sheet.with_faults({fault.field: fault_sentence(fault) for fault in content})
    return sheet if deeds.goes_back() else content


def _began(notice: Notice | None) -> date | None:
    """Return the first day of what readers have seen already; that is no longer a choice."""
    if notice is None or notice.visible_from is None or notice.visible_from > doorway().parts.clock.now():
        return None
    return tokyo_date(notice.visible_from)


def _version() -> int:
    sent = deeds.form().get("version", "")
    return int(sent) if sent.isascii() and sent.isdecimal() and len(sent) <= _DIGITS else 0


def _form(notice: Notice | None, sheet: Sheet) -> str:
    choices = [("", say(mark("選択してください"))), *((code, category_name(code)) for code in CATEGORIES)]
    # What was typed is about the version that was read then, however often the form comes back.
    version = sheet["version"] or (notice.version if notice else 0)
    return _shown("notice-form.html", notice=notice, sheet=sheet, choices=choices, version=version, began=_began(notice))


def _preview(notice: Notice | None, content: Content) -> str:
    version = deeds.form().get("version", "0")
    return _shown("notice-preview.html", notice=notice, content=content, carried=content_form(content), version=version)


def _publication(notice: Notice, address: str) -> Confirmation:
    content = notice.content
    loud = say(mark("緊急のお知らせとして、掲示板のすべての画面とポータルのメニューに表示します。"))
    return Confirmation(
        title=say(mark("お知らせを公開する")),
        subject=title_of(notice),
        address=address,
        button=say(mark("公開する")),
        pairs=(
            (say(mark("件名(日本語)")), content.title_ja),
            (say(mark("件名(英語)")), content.title_en),
            (say(mark("公開日")), show_day(content.publish_from) if content.publish_from else say(mark("すぐに公開する"))),
            (say(mark("掲載の最終日")), show_day(content.publish_until) if content.publish_until else say(mark("定めない"))),
        ),
        notes=(say(mark("ログインしていない人を含め、だれでも読めるようになります。フィードでも配信されます。")),),
        cautions=(loud,) if content.is_urgent else (),
        carried={"version": str(notice.version)},
        obstacle="" if notice.state is NoticeState.DRAFT else sentence_of(_not_now(notice)),
    )


def _withdrawal(notice: Notice, reason: str, address: str) -> Confirmation:
    return Confirmation(
        title=say(mark("お知らせを取り下げる")),
        subject=title_of(notice),
        address=address,
        button=say(mark("取り下げる")),
        pairs=((say(mark("件名")), title_of(notice)), (say(mark("取り下げる理由")), reason)),
        notes=(say(mark("お知らせのアドレスには、掲載を終了したことが表示されます。理由は職員だけが見ます。")),),
        cautions=(say(mark("元に戻せません。もう一度掲載するには、新しく書きます。")),),
        carried={"reason": reason, "version": deeds.form().get("version", "0")},
        is_final=True,
    )


def _not_now(notice: Notice) -> Refused:
    return Refused("bulletin-state", state=notice.state.value)


def _public_url(notice: Notice) -> str:
    if not notice.is_visible(doorway().parts.clock.now()):
        return ""
    return _outside(f"/bulletin/{'en/' if language() == 'en' else ''}notices/{notice.id}")


def _outside(address: str) -> str:
    """Return an address of the public pages as it is reached from here, another door."""
    return doorway().parts.letters.portal_url.rstrip("/") + address if address.startswith("/") else address


def _shown(template: str, **facts: object) -> str:
    return flask.render_template(
        template,
        **facts,
        STATES=STATES,
        EVENTS=EVENTS,
        Role=Role,
        category_name=category_name,
        label_of=label_of,
        labels={name: gettext(label) for name, label in LABELS.items()},
        rendered=lambda text: markup.render(text, _outside, top=3),
        title_of=title_of,
    )
