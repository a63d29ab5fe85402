"""The center's app: its pages, its bar on top, its words."""

from pathlib import Path

import flask

from webui import account_links, account_words, billing, diagnosing, entrance, proving, reissuing, shell, terminal_words, words
from webui.accounts import Door, Person
from webui.center import (
    address_changes,
    applications,
    bills,
    disclosing,
    doctor,
    documents,
    factor_resets,
    generation_deeds,
    generations,
    home,
    mails,
    moving,
    notices,
    office_users,
    offices,
    people,
    reissue_deeds,
    reissues,
    reviewing,
    securing,
    staff,
    start_days,
    terminals,
)
from webui.center.parts import CenterParts
from webui.center.sentences import SENTENCES
from webui.doorway import Furnishing, NavigationItem
from webui.texts import mark

NAVIGATION = (
    NavigationItem("home.menu", mark("メニュー")),
    NavigationItem("applications.queue", mark("申込")),
    NavigationItem("terminals.listed", mark("論理端末")),
    NavigationItem("terminals.codes", mark("コード")),
    NavigationItem("reissues.listed", mark("再発行")),
    NavigationItem("generations.listed", mark("世代変更")),
    NavigationItem("start_days.show", mark("開始日")),
    NavigationItem("offices.listed", mark("事業所の一覧")),
    NavigationItem("notices.listed", mark("掲示板")),
    NavigationItem("mails.listed", mark("メール")),
    NavigationItem("staff.listed", mark("職員")),
    NavigationItem("factors.show", mark("ログインの安全")),
)
PAGES = (
    home,
    documents,
    applications,
    reviewing,
    moving,
    start_days,
    terminals,
    securing,
    doctor,
    reissues,
    reissue_deeds,
    generations,
    generation_deeds,
    offices,
    bills,
    disclosing,
    office_users,
    factor_resets,
    address_changes,
    staff,
    notices,
    mails,
    account_links,
)


def create_app(parts: CenterParts) -> flask.Flask:
    """Make the center's app."""
    furnishing = Furnishing(
        door=Door.CENTER,
        templates=Path(__file__).parent / "templates",
        home="home.menu",
        navigation=NAVIGATION,
        heading=_heading,
        sentences=SENTENCES,
    )
    shared = (entrance.blueprint, *proving.BLUEPRINTS)
    app = shell.make_app(__name__, parts.door, furnishing, *shared, *(page.blueprint for page in PAGES))
    app.extensions["webui-center"] = parts
    account_words.equip(app.jinja_env.globals)
    billing.equip(app.jinja_env.globals)
    diagnosing.equip(app.jinja_env.globals)
    terminal_words.equip(app.jinja_env.globals)
    app.jinja_env.globals |= {
        "GENERATION_STATES": generations.STATES,
        "MEMBER_STATES": generations.MEMBER_STATES,
        "REISSUE_STATES": reissuing.STATES,
        "actor_name": people.actor_name,
        "deed_facts": people.deed_facts,
        "deed_name": people.deed_name,
        "reissue_reason": reissuing.reason_name,
        "result_name": words.result_name,
    }
    return app


def _heading(person: Person) -> tuple[str, ...]:
    del person
    return ()
