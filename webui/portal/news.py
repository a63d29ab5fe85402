"""新着情報: what each line says, and what its details button opens."""

from collections.abc import Callable, Mapping

import flask

from registry.applications.records import DELETES_BROKERS
from registry.drafts import Kind
from registry.news import News, NewsKind
from webui import billing, guard
from webui.accounts import Right
from webui.texts import gettext, mark, say
from webui.words import Label, item_name

KINDS: Mapping[NewsKind, Label] = {
    NewsKind.APPLICATION: Label(mark("利用申込"), "info"),
    NewsKind.CERTIFICATE: Label(mark("証明書"), "good"),
    NewsKind.SETTINGS: Label(mark("システム設定"), "info"),
    NewsKind.BILLING: Label(mark("請求"), "info"),
}
SENTENCES: Mapping[str, str] = {
    "application-answered": mark("確認事項への回答を受け付けました。"),
    "application-applied": mark("%(about)sを受け付けました。審査が終わるまでお待ちください。"),
    "application-approved": mark("%(about)sの審査を終了しました。確定した申込内容と利用開始日を確認してください。"),
    "application-cancelled": mark("%(about)sを取り消しました。理由を確認してください。"),
    "application-completed": mark("%(about)sの手続きがすべて完了しました。"),
    "application-corrected": mark("確認事項への回答として、修正した申込を受け付けました。"),
    "application-moved": mark("利用開始日が変わりました。新しい利用開始日を確認してください。コードも新しくなります。"),
    "application-queried": mark(
        "%(about)s内容に確認事項があります。内容を確認の上、申込内容の修正、回答、または取下げを行ってください。"
    ),
    "application-rejected": mark("%(about)sは承認されませんでした。理由を確認してください。"),
    "application-void": mark("%(about)sは無効になりました。理由を確認してください。"),
    "application-withdrawn": mark("%(about)sの取下げを受け付けました。"),
    "bill-closed": mark("%(month)s分の請求額が確定しました。"),
    "certificate-renewed": mark("端末%(terminal)sのデジタル証明書が更新されました。"),
    "certificate-retrieved": mark("端末%(terminal)sのデジタル証明書が取得されました。"),
    "certificate-revoked": mark("端末%(terminal)sのデジタル証明書を失効しました。"),
    "codes-consent-wanted": mark("端末%(terminal)sのコードの凍結を解除するには、管理責任者の同意が必要です。"),
    "codes-frozen": mark("端末%(terminal)sのコードが凍結されました。"),
    "codes-thawed": mark("端末%(terminal)sのコードの凍結が解除されました。"),
    "codes-prepared": mark("デジタル証明書を取得できるようになりました。ID通知内容を確認の上、端末ごとに取得してください。"),
    "company-changed": mark(
        "同じ企業のほかの事業所の申込により、企業名または本社の情報が変わりました。契約内容を確認してください。"
    ),
    "item-executed": mark("「%(item)s」の変更を実施しました。契約内容を確認してください。"),
    "reissue-accepted": mark("端末%(terminal)sのデジタル証明書を再発行します。%(ready_on)s以降に取得できるようになります。"),
    "reissue-declined": mark("端末%(terminal)sの再発行はお受けできませんでした。理由はメールでお知らせしています。"),
    "reissue-prepared": mark(
        "端末%(terminal)sのデジタル証明書を再発行しました。新しいコードでデジタル証明書を取得の上、適用作業を行ってください。"
    ),
    "reissue-requested": mark("端末%(terminal)sの再発行のお申込を受け付けました。"),
    "reissue-withdrawn": mark("端末%(terminal)sの再発行のお申込を取り下げました。"),
    "renewal-near": mark("端末%(terminal)sのデジタル証明書の有効期限は%(day)sです。期限までに更新してください。"),
    "renewals-near": mark("%(count)s台の端末のデジタル証明書の有効期限は%(day)sです。期限までに更新してください。"),
    "suspension-near": mark("端末%(terminal)sは、デジタル証明書が取得または更新されないまま%(day)sになると停止します。"),
    "suspensions-near": mark("%(count)s台の端末は、デジタル証明書が取得または更新されないまま%(day)sになると停止します。"),
    "terminal-abolished": mark("端末%(terminal)sを廃止しました。"),
    "terminal-resumed": mark("端末%(terminal)sの停止を解除しました。"),
    "terminal-suspended": mark("端末%(terminal)sの利用を停止しました。"),
    "terminal-suspended-1": mark("端末%(terminal)sは、利用開始日から2か月間デジタル証明書が取得されなかったため、停止しました。"),
    "terminal-suspended-2": mark("端末%(terminal)sは、有効期限から2か月間デジタル証明書が更新されなかったため、停止しました。"),
    "terminal-suspended-3": mark("端末%(terminal)sは、再発行から2か月間デジタル証明書が取得されなかったため、停止しました。"),
}
# How news call an application, by what it is about.
ABOUT: Mapping[str, str] = {
    Kind.CONTRACT_CHANGE: mark("利用申込"),
    Kind.SYSTEM_SETTINGS: mark("システム設定申込"),
    Kind.BROKER_IDS: mark("通関士IDの追加申込"),
    DELETES_BROKERS: mark("通関士IDの削除申込"),
}
_OF_BROKERS: Mapping[str, str] = {
    "application-queried": mark(
        "%(about)sに確認事項があります。内容を確認の上、申込内容の修正、回答、または取下げを行ってください。"
    ),
    "application-approved": mark("%(about)sの審査を終了しました。追加した利用者を確認してください。"),
}
_OWN_WORDS: Mapping[str, Mapping[str, str]] = {
    Kind.BROKER_IDS: _OF_BROKERS,
    DELETES_BROKERS: {"application-queried": _OF_BROKERS["application-queried"]},
}
_FACTS: Mapping[str, Callable[[str], str]] = {"item": item_name, "month": billing.written_month}
_ENDPOINTS = {"application": "applications.show", "id_notice": "id_notice.show"}


def sentence(line: News) -> str:
    """Return what a line says in the reader's language."""
    about = str(line.facts.get("about", Kind.CONTRACT_CHANGE))
    text = _OWN_WORDS.get(about, SENTENCES).get(line.code) or SENTENCES.get(line.code)
    facts = {name: _FACTS[name](str(fact)) if name in _FACTS else fact for name, fact in line.facts.items()}
    facts["about"] = gettext(ABOUT.get(about, ABOUT[Kind.CONTRACT_CHANGE]))
    return say(text, **facts) if text else gettext(mark("お知らせがあります。詳細を確認してください。"))


def address(line: News) -> str:
    """Return where a line's details are."""
    kind, _, name = (line.target or "").partition(":")
    if kind == "reissue":
        return flask.url_for("reissues.show", reissue_id=name)
    if kind == "bill":
        # The news are the whole office's; who may not see bills reads who gets them.
        can_see = guard.person().may(Right.BILLING)
        return flask.url_for("bills.show", month=name) if can_see else flask.url_for("contract.show", tab="billing")
    if kind in _ENDPOINTS:
        return flask.url_for(_ENDPOINTS[kind], receipt_number=name)
    if line.code == "company-changed":
        return flask.url_for("contract.show")
    # Codes that belong to no application are those of terminals which were taken over.
    return flask.url_for("id_notice.show") if line.code.startswith("codes-") else flask.url_for("contract.show", tab="netnaccs")
