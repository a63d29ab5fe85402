"""The portal's app: its pages, its bar, its sentences for refusals."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import flask

from registry import offices
from webui import (
    account_links,
    account_words,
    billing,
    certificate_words,
    diagnosing,
    downloads,
    entrance,
    guard,
    papers,
    proving,
    reissuing,
    shell,
    terminal_words,
)
from webui.accounts import Door, Person, Right
from webui.doorway import Furnishing, NavigationItem, doorway
from webui.portal import (
    addresses,
    applications,
    apply,
    batches,
    bills,
    certificates,
    confirmation,
    contract,
    doctor,
    documents,
    forgotten,
    id_notice,
    item_pages,
    mails,
    menu,
    reissues,
    revocations,
    sending,
    users,
    verify,
)
from webui.portal.kinds import kind_name
from webui.portal.parts import PortalParts
from webui.refusals import Sentence
from webui.texts import mark

NAVIGATION = (
    NavigationItem("menu.show", mark("メニュー")),
    NavigationItem("apply.guidance", mark("申込実施"), frozenset({Right.APPLY})),
    NavigationItem("applications.listed", mark("申込内容確認")),
    NavigationItem("batches.listed", mark("一括取得"), frozenset({Right.CODES})),
    NavigationItem("certificates.listed", mark("証明書")),
    NavigationItem("contract.show", mark("契約内容確認")),
    NavigationItem("bills.listed", mark("請求金額"), frozenset({Right.BILLING})),
    NavigationItem("users.listed", mark("ユーザー"), frozenset({Right.USERS})),
    NavigationItem("factors.show", mark("ログインの安全")),
)
SENTENCES: Mapping[str, Sentence] = {
    **account_words.SENTENCES,
    **papers.SENTENCES,
    **downloads.SENTENCES,
    "application-corrected": Sentence(mark("この申込は、すでに修正されています。画面を開き直して確認してください。")),
    "application-state": Sentence(mark("申込の状態が変わったため、この操作はできません。画面を開き直して確認してください。")),
    "application-unknown": Sentence(mark("この申込は見つかりません。"), HTTPStatus.NOT_FOUND),
    "batch-archive": Sentence(
        mark("ZIPファイルを読み取れません。パスワードを付けずに作り直してください。"),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    "batch-empty": Sentence(
        mark("CSRがありません。CSRのファイル(例: 99999W.csr)か、CSRをまとめたZIPファイルを選択してください。"),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    "batch-no-certificates": Sentence(mark("ダウンロードできる証明書はまだありません。"), HTTPStatus.NOT_FOUND),
    "batch-open": Sentence(mark("処理中または確認待ちの一括取得が%(most)s件あります。終わるか取りやめてから送信してください。")),
    "batch-state": Sentence(mark("この一括取得は、すでに確認されたか、取りやめられています。")),
    "batch-too-many": Sentence(
        mark("一度に送信できるCSRは%(most)s件までです。分けて送信してください。"), HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    ),
    "batch-unknown": Sentence(mark("この一括取得は見つかりません。"), HTTPStatus.NOT_FOUND),
    "certificate-changed": Sentence(
        mark("この端末の証明書は、画面を開いたあとに新しくなりました。確認してから、もう一度操作してください。")
    ),
    "certificate-none": Sentence(mark("この端末には、失効できる証明書がありません。")),
    "code-set-state": Sentence(mark("この端末の認証コードは、すでに使用または停止されています。")),
    "codes-none": Sentence(mark("この端末の認証コードはありません。"), HTTPStatus.NOT_FOUND),
    "codes-others": Sentence(mark("この端末のコードは、ほかの方に表示されます。")),
    "freeze-by-staff": Sentence(mark("このコードはセンターが凍結しました。ヘルプデスクへご連絡ください。")),
    "not-administrator": Sentence(mark("管理責任者だけができる操作です。"), HTTPStatus.FORBIDDEN),
    "reissue-open": Sentence(mark("この端末の再発行は、すでに手続き中です。")),
    "reissue-state": Sentence(mark("再発行の状態が変わったため、この操作はできません。画面を開き直して確認してください。")),
    "reissue-unknown": Sentence(mark("この再発行は見つかりません。"), HTTPStatus.NOT_FOUND),
    "terminal-abolished": Sentence(mark("この端末は廃止されています。")),
    "terminal-state": Sentence(mark("この端末は停止中のため、この操作はできません。")),
    "terminal-suspended": Sentence(mark("この端末は停止中です。ヘルプデスクへご連絡ください。")),
    "input-invalid": Sentence(mark("入力した内容が長すぎるか、使えない文字が含まれています。"), HTTPStatus.UNPROCESSABLE_ENTITY),
    "codes-not-showable": Sentence(mark("この端末の認証コードは、もう表示できません。")),
    "codes-split": Sentence(mark("コードを二人に分けて表示する契約では、一括取得を利用できません。端末ごとに取得してください。")),
    "diagnosis-most": Sentence(
        mark("この端末の診断番号は、1日に%(most)s件まで発行できます。発行済みの番号をお使いください。"),
        HTTPStatus.TOO_MANY_REQUESTS,
    ),
    "draft-too-large": Sentence(mark("入力した内容が多すぎます。"), HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
}
PAGES = (
    menu.blueprint,
    contract.blueprint,
    apply.blueprint,
    item_pages.blueprint,
    confirmation.blueprint,
    sending.drafted,
    applications.blueprint,
    sending.blueprint,
    documents.blueprint,
    verify.blueprint,
    id_notice.blueprint,
    reissues.blueprint,
    certificates.blueprint,
    revocations.blueprint,
    doctor.blueprint,
    batches.blueprint,
    bills.blueprint,
    mails.blueprint,
    account_links.blueprint,
    forgotten.blueprint,
    users.blueprint,
    addresses.blueprint,
)


def create_app(parts: PortalParts, *guests: flask.Blueprint) -> flask.Flask:
    """Make the portal's app; `guests` are public pages on its door that it knows nothing of."""
    furnishing = Furnishing(
        door=Door.PORTAL,
        templates=Path(__file__).parent / "templates",
        home="menu.show",
        navigation=NAVIGATION,
        heading=_heading,
        sentences=SENTENCES,
    )
    app = shell.make_app(
        __name__,
        parts.door,
        furnishing,
        entrance.blueprint,
        *proving.BLUEPRINTS,
        *PAGES,
        *guests,
    )
    app.extensions["webui-portal"] = parts
    files = parts.attachments.limits
    app.config[guard.UPLOADS] = files.most * files.octets + shell.LARGEST_REQUEST
    account_words.equip(app.jinja_env.globals)
    billing.equip(app.jinja_env.globals)
    diagnosing.equip(app.jinja_env.globals)
    terminal_words.equip(app.jinja_env.globals)
    app.jinja_env.globals |= {
        "INTERFACES": certificate_words.INTERFACES,
        "REISSUE_STATES": reissuing.STATES,
        "Right": Right,
        "kind_name": kind_name,
        "reissue_reason": reissuing.reason_name,
    }
    return app


def _heading(person: Person) -> tuple[str, ...]:
    with doorway().parts.database.snapshot() as session:
        office = offices.get(session, person.office_code)
    return (office.company.name, office.name) if office else (person.office_code,)
