"""What refusals say to staff."""

from collections.abc import Mapping
from datetime import date
from http import HTTPStatus

from kernel.errors import Refused
from registry.forms import FORMS
from registry.states import ApplicationState, TerminalState
from webui import account_words, downloads, papers, refusals
from webui.refusals import Sentence
from webui.texts import gettext, mark, show_day
from webui.words import APPLICATION_STATES, TERMINAL_STATES, field_name, item_name

SENTENCES: Mapping[str, Sentence] = {
    **account_words.SENTENCES,
    **papers.SENTENCES,
    **downloads.SENTENCES,
    "administrator-none": Sentence(
        mark(
            "この事業所には有効な管理責任者のユーザーがないため、コードを分けて表示できません。先に管理責任者を招待してください。"
        )
    ),
    "mail-sent": Sentence(mark("このメールは、すでに送信されています。")),
    "mail-unknown": Sentence(mark("このメールはありません。"), HTTPStatus.NOT_FOUND),
    "application-unknown": Sentence(mark("この受付番号の申込はありません。"), HTTPStatus.NOT_FOUND),
    "application-state": Sentence(mark("申込の状態が「%(state)s」のため、この操作はできません。")),
    "application-corrected": Sentence(
        mark("確認している間に、お客様が申込を修正しました。何も承認していません。修正後の内容を確認してください。")
    ),
    "approver-is-applicant": Sentence(mark("自分が行った申込は承認できません。ほかの職員が承認してください。")),
    "date-past": Sentence(mark("今日以降の日付を入力してください。")),
    "day-not-business": Sentence(mark("営業日ではないため、利用開始日にできません。")),
    "day-same": Sentence(mark("その日の予定は、すでにそのとおりです。")),
    "date-far": Sentence(mark("%(last)sまでの日付を入力してください。")),
    "start-passed": Sentence(mark("利用開始日を過ぎているため、変更できません。")),
    "start-same": Sentence(mark("今の利用開始日と同じ日付です。")),
    "settings-too-late": Sentence(
        mark("システム設定の締切日(%(deadline)s)を過ぎるため、この日からは開始できません。もっと後の日付を入力してください。")
    ),
    "terminal-names-exhausted": Sentence(mark("割り当てられる論理端末名が残っていません。システム管理者に連絡してください。")),
    "item-unknown": Sentence(mark("この申込に、その変更項目はありません。"), HTTPStatus.NOT_FOUND),
    "item-typed": Sentence(mark("この変更項目は利用開始日に自動で実施されます。")),
    "contract-differs": Sentence(
        mark("申込の後で契約内容が変わったため、「%(item)s」を実施できません。現在の契約内容を確認してください。")
    ),
    "item-outdated": Sentence(
        mark(
            "「%(item)s」の申込内容(%(fields)s)は、現在の規則では実施できません。"
            "審査中なら確認事項で修正を依頼し、承認後なら取り消して、あらためて申し込むよう依頼してください。"
        )
    ),
    "owned-gone": Sentence(
        mark(
            "「%(field)s」の%(value)sは、現在の契約内容にないため、実施できません。"
            "同じ申込で追加するものであれば、先にその項目を実施してください。"
        )
    ),
    "row-last": Sentence(
        mark("利用者コード%(value)sの最後の識別番号のため、削除できません。お客様に確認し、申込を取り消してください。")
    ),
    "user-code-taken": Sentence(mark("利用者コード%(user_code)sは、すでに使われています。お客様に確認してください。")),
    "terminals-remain": Sentence(mark("論理端末が残っています。すべての端末を廃止してから、契約の終了を実施してください。")),
    "item-executed": Sentence(mark("この変更項目はすでに実施済みです。")),
    "same-person": Sentence(
        mark("この申込を承認した職員は、コードを準備できません。開始日を変更した職員も同じです。ほかの職員が準備してください。")
    ),
    "nothing-to-prepare": Sentence(mark("コードの準備が必要な端末はありません。")),
    "terminal-suspended": Sentence(
        mark("端末%(terminal)sが停止中です。停止を解除してから、すべての端末のコードを準備してください。")
    ),
    "terminal-unknown": Sentence(mark("この論理端末名の端末はありません。"), HTTPStatus.NOT_FOUND),
    "terminal-state": Sentence(mark("端末の状態が「%(state)s」のため、この操作はできません。")),
    "codes-none": Sentence(mark("この端末には、取得に使えるコードがありません。")),
    "code-set-state": Sentence(mark("コードの状態が変わったため、この操作はできません。現在の状態を確認してください。")),
    "certificate-none": Sentence(mark("この端末には、失効できる証明書がありません。")),
    "certificate-state": Sentence(mark("証明書の状態が変わったため、この操作はできません。現在の状態を確認してください。")),
    "certificate-changed": Sentence(
        mark("確認している間に、現在の証明書が変わりました。何も失効していません。新しい証明書を確認してから操作してください。")
    ),
    "generation-unknown": Sentence(mark("この世代変更はありません。"), HTTPStatus.NOT_FOUND),
    "generation-state": Sentence(mark("世代変更の状態が変わったため、この操作はできません。現在の状態を確認してください。")),
    "generation-same-person": Sentence(mark("自分が計画した世代変更は開始できません。ほかの職員が開始してください。")),
    "generation-open": Sentence(mark("ほかの世代変更が計画中または実施中です。終わってから計画してください。")),
    "end-not-later": Sentence(mark("今の最終日(%(ends_on)s)より、あとの日付を入力してください。")),
    "end-after-issuer": Sentence(mark("新しい発行CAの証明書の最終日(%(last)s)までの日付を入力してください。")),
    "bulletin-changed": Sentence(
        mark("ほかの職員が先に変更しました。何も変更していません。現在の内容を確認してから、もう一度操作してください。")
    ),
    "bulletin-over": Sentence(mark("掲載の最終日を過ぎています。下書きの最終日を変更してから公開してください。")),
    "bulletin-state": Sentence(mark("お知らせの状態が変わったため、この操作はできません。現在の状態を確認してください。")),
    "bulletin-unknown": Sentence(mark("このお知らせはありません。"), HTTPStatus.NOT_FOUND),
    "office-unknown": Sentence(mark("この事業所は登録されていません。"), HTTPStatus.NOT_FOUND),
}


def sentence_of(refused: Refused) -> str:
    """Return a refusal in the reader's language, states and days in words."""
    return refusals.sentence_of({**refusals.SHARED, **SENTENCES}, in_words(refused))


def in_words(refused: Refused) -> Refused:
    """Return a refusal whose facts are words of the reader's language."""
    facts = {name: show_day(value) if isinstance(value, date) else value for name, value in refused.facts.items()}
    state = str(facts.get("state", ""))
    if refused.code == "item-outdated":
        facts["fields"] = _fields(str(facts["item"]), str(facts["fields"]).split(","))
    if refused.code == "owned-gone":
        facts["field"] = field_name(str(facts["item"]), str(facts["field"]))
    if refused.code in ("contract-differs", "item-outdated"):
        facts["item"] = item_name(str(facts["item"]))
    if refused.code == "application-state" and state in tuple(ApplicationState):
        facts["state"] = gettext(APPLICATION_STATES[ApplicationState(state)].text)
    if refused.code == "terminal-state" and state in tuple(TerminalState):
        facts["state"] = gettext(TERMINAL_STATES[TerminalState(state)].text)
    return Refused(refused.code, **facts)


def _fields(item: str, codes: list[str]) -> str:
    """Return fields of an item in the reader's language; what is no field of it is told as rows that nobody can read."""
    known = {field.code for field in FORMS[item].fields} if item in FORMS else set()
    names = (field_name(item, code) if code in known else gettext(mark("登録内容")) for code in codes)
    return gettext(mark("、")).join(dict.fromkeys(names))
