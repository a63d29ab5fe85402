"""Who did what, in words: actors and deeds of the audit log as staff read them."""

from collections.abc import Mapping
from datetime import date

import flask
from sqlalchemy.orm import Session

from enrollment.reissue_records import ReissueReason
from kernel.audit import PastDeed
from registry.items import ITEMS
from webui.accounts import Door, book
from webui.doorway import doorway
from webui.reissuing import reason_name
from webui.texts import mark, say, show_day
from webui.words import REVOCATION_REASONS, item_name

_KINDS: Mapping[str, str] = {
    "staff": mark("職員 %(name)s"),
    "customer": mark("お客様 %(name)s"),
    "terminal": mark("端末 %(name)s"),
    "job": mark("自動処理 %(name)s"),
    "operator": mark("システム管理者 %(name)s"),
}
DEEDS: Mapping[str, str] = {
    "application.apply": mark("申込の受付"),
    "application.query": mark("確認事項の送付"),
    "application.answer": mark("確認事項への回答"),
    "schedule.open": mark("利用開始日の追加"),
    "schedule.close": mark("利用開始日の取りやめ"),
    "schedule.restore": mark("利用開始日を既定に戻す"),
    "application.correct": mark("申込の修正による回答"),
    "application.approve": mark("承認"),
    "application.reject": mark("不承認"),
    "application.withdraw": mark("取下げ"),
    "application.cancel": mark("取消し"),
    "application.void": mark("無効"),
    "application.prepare": mark("コードの準備"),
    "application.move": mark("利用開始日の変更"),
    "application.execute": mark("変更項目の実施"),
    "company.change": mark("企業情報の変更"),
    "application.complete": mark("完了"),
    "terminal.reclassify": mark("システム区分の変更"),
    "terminal.suspend": mark("利用停止"),
    "terminal.resume": mark("利用停止の解除"),
    "terminal.abolish": mark("廃止"),
    "terminal.move-start": mark("利用開始日の変更"),
    "certificate.reserve": mark("証明書の発行開始"),
    "certificate.issue": mark("証明書の発行"),
    "certificate.revoke": mark("証明書の失効"),
    "certificate.abandon": mark("証明書の発行中止"),
    "certificate.hold": mark("証明書の一時停止"),
    "certificate.release": mark("証明書の一時停止の解除"),
    "generation.plan": mark("世代変更の計画"),
    "generation.start": mark("世代変更の開始"),
    "generation.pause": mark("世代変更の中断"),
    "generation.resume": mark("世代変更の再開"),
    "generation.stop": mark("世代変更の中止"),
    "generation.postpone": mark("旧世代の最終日の延長"),
    "generation.again": mark("期限切れのコードの作り直し"),
    "generation.end": mark("世代変更の完了"),
    "reissue.request": mark("再発行の申込"),
    "reissue.accept": mark("再発行の承認"),
    "reissue.decline": mark("再発行の不承認"),
    "reissue.withdraw": mark("再発行の取下げ"),
    "reissue.prepare": mark("再発行のコードの準備"),
    "reissue.lapse": mark("再発行の期限切れ"),
    "account.invite": mark("ユーザーの招待"),
    "account.send-link": mark("パスワード設定のリンクの送付"),
    "account.choose-password": mark("リンクによるパスワードの設定"),
    "account.change-grants": mark("権限の変更"),
    "account.disable": mark("ユーザーの停止"),
    "account.enable": mark("ユーザーの再開"),
    "account.remove": mark("ユーザーの削除"),
    "account.add-totp": mark("認証アプリの登録"),
    "account.remove-totp": mark("認証アプリの削除"),
    "account.add-passkey": mark("パスキーの登録"),
    "account.remove-passkey": mark("パスキーの削除"),
    "account.renew-recovery": mark("回復コードの作り直し"),
    "account.reset-factors": mark("二段階認証の解除"),
    "account.end-sessions": mark("ログインの終了"),
    "account.unlock": mark("パスワードの誤入力ロックの解除"),
    "address.request": mark("連絡先の変更の申し出"),
    "address.confirm": mark("連絡先の変更の承認"),
    "address.change": mark("連絡先の変更"),
    "address.decline": mark("連絡先の変更の取下げ"),
    "bulletin.draft": mark("お知らせの下書きの作成"),
    "bulletin.edit": mark("お知らせの下書きの変更"),
    "bulletin.publish": mark("お知らせの公開"),
    "bulletin.correct": mark("お知らせの訂正"),
    "bulletin.withdraw": mark("お知らせの取下げ"),
    "codes.prepare": mark("コードの準備"),
    "codes.show": mark("コードの表示"),
    "codes.freeze": mark("コードの凍結"),
    "codes.consent": mark("凍結解除への管理責任者の同意"),
    "codes.release": mark("凍結解除の確認"),
    "codes.thaw": mark("コードの凍結解除"),
    "codes.unlock": mark("誤入力ロックの解除"),
    "codes.lock": mark("誤入力によるロック"),
    "codes.expire": mark("コードの期限切れ"),
    "codes.use-in-batch": mark("一括取得でのコードの使用"),
    "logon.lock": mark("アクセスキーの誤りによるログオンのロック"),
    "notice.issue": mark("承認通知の発行"),
}
_FACTS: Mapping[str, str] = {
    "start_date": mark("利用開始日 %(value)s"),
    "terminals": mark("端末 %(value)s台"),
    "item": mark("項目 %(value)s"),
    "reason": mark("理由 %(value)s"),
    "serial": mark("シリアル番号 %(value)s"),
    "approver": mark("承認者 %(value)s"),
}


def actor_name(actor: str | None) -> str:
    """Return an actor's text in words: `staff:sato` as 職員 佐藤 (sato), where the name is known."""
    if not actor:
        return "—"
    kind, _, name = actor.partition(":")
    if kind == "staff" and (called := _staff().get(name)):
        name = f"{called} ({name})"
    return say(_KINDS[kind], name=name) if kind in _KINDS else actor


def deed_name(action: str) -> str:
    """Return a deed in words; one that has none is shown as it is recorded."""
    return say(DEEDS[action]) if action in DEEDS else action


def deed_facts(deed: PastDeed) -> str:
    """Return those facts of a deed that tell staff something, in words."""
    return " / ".join(
        say(text, value=_value(name, str(deed.facts[name]))) for name, text in _FACTS.items() if deed.facts.get(name)
    )


def _value(name: str, value: str) -> str:
    if name == "item" and value in ITEMS:
        return item_name(value)
    if name == "reason" and value in REVOCATION_REASONS:
        return say(REVOCATION_REASONS[value])
    if name == "reason" and value in tuple(ReissueReason):
        return reason_name(ReissueReason(value))
    if name == "start_date":
        return show_day(date.fromisoformat(value))
    return actor_name(value) if name == "approver" else value


def read_staff(session: Session) -> None:
    """Read the names of staff in a snapshot that is open, for the page that is made from it."""
    flask.g.staff_names = book.names(session, Door.CENTER)


def _staff() -> Mapping[str, str]:
    """Return the names of staff by log-in, read once a request."""
    if "staff_names" not in flask.g:
        with doorway().parts.database.snapshot() as session:
            read_staff(session)
    names: Mapping[str, str] = flask.g.staff_names
    return names
