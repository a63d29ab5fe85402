"""Accounts in words, for both doors: rights, roles, states, and what refusals say."""

from collections.abc import Mapping
from http import HTTPStatus

from kernel.errors import Refused
from webui import refusals
from webui.accounts import AccountState, Right, Role
from webui.accounts.addresses import Kind
from webui.refusals import SHARED, Sentence
from webui.texts import mark
from webui.words import Label

RIGHTS: Mapping[Right, str] = {
    Right.APPLY: mark("申込を行う"),
    Right.CODES: mark("コードを見る"),
    Right.BILLING: mark("請求を見る"),
    Right.USERS: mark("ユーザーを管理する"),
    Right.ADMINISTRATOR: mark("管理責任者(すべての権限)"),
}
ROLES: Mapping[Role, str] = {
    Role.REVIEW: mark("審査"),
    Role.ISSUING: mark("発行"),
    Role.SECURITY: mark("セキュリティ"),
}
ACCOUNT_STATES: Mapping[AccountState, Label] = {
    AccountState.INVITED: Label(mark("招待中"), "info"),
    AccountState.ACTIVE: Label(mark("利用可"), "good"),
    AccountState.DISABLED: Label(mark("停止中"), "warn"),
    AccountState.REMOVED: Label(mark("削除済み"), "bad"),
}
CHANGE_KINDS: Mapping[Kind, str] = {
    Kind.USER: mark("ユーザーのメールアドレス"),
    Kind.APPLICANT: mark("申込担当者のメールアドレス"),
    Kind.ADMINISTRATOR: mark("管理責任者"),
}
SENTENCES: Mapping[str, Sentence] = {
    "account-exists": Sentence(mark("このユーザーIDは、すでに使われているか、以前使われていたため使えません。")),
    "address-same": Sentence(mark("現在と異なる内容を入力してください。")),
    "change-over": Sentence(mark("この変更は、すでに完了したか、取り下げられたか、期限が切れています。")),
    "change-unknown": Sentence(mark("この変更は見つかりません。"), HTTPStatus.NOT_FOUND),
    "link-invalid": Sentence(
        mark(
            "このリンクは使えません。使用済みか、期限が切れたか、新しいリンクが送られています。最新のメールを確認してください。"
        ),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    "login-malformed": Sentence(mark("ユーザーIDは、半角の英小文字・数字・記号(. _ -)2文字以上40文字以内で入力してください。")),
    "mail-malformed": Sentence(mark("メールアドレスの形式で入力してください。")),
    "name-malformed": Sentence(mark("氏名を、改行や目に見えない文字を含めずに、%(most)s文字以内で入力してください。")),
    "not-manager": Sentence(mark("ユーザーを管理する権限がありません。"), HTTPStatus.FORBIDDEN),
    "reason-required": Sentence(mark("確認した方法を入力してください。")),
    "reason-too-long": Sentence(mark("%(most)s文字以内で入力してください。")),
    "right-not-own": Sentence(mark("自分が持っていない権限は、付けることも外すこともできません。"), HTTPStatus.FORBIDDEN),
    "user-administrator": Sentence(mark("管理責任者のユーザーは、管理責任者だけが変更できます。"), HTTPStatus.FORBIDDEN),
    "user-self": Sentence(mark("自分のユーザーは変更できません。ほかの管理者に依頼してください。"), HTTPStatus.FORBIDDEN),
    "user-state": Sentence(mark("ユーザーの状態が変わったため、この操作はできません。現在の状態を確認してください。")),
    "user-unknown": Sentence(mark("このユーザーは見つかりません。"), HTTPStatus.NOT_FOUND),
    "users-too-many": Sentence(mark("登録できるユーザーは%(most)s人までです。使っていないユーザーを削除してください。")),
}


def sentence_of(refused: Refused) -> str:
    """Return what a refusal of an account's deed says to the reader."""
    return refusals.sentence_of({**SHARED, **SENTENCES}, refused)


def equip(templates: dict[str, object]) -> None:
    """Give templates the words under their names."""
    templates |= {"ACCOUNT_STATES": ACCOUNT_STATES, "CHANGE_KINDS": CHANGE_KINDS, "RIGHTS": RIGHTS, "ROLES": ROLES}
