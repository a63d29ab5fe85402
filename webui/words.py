"""The domain's words as both doors show them: states, classes, change items, faults of fields.

A label's tone colours its tag: plain, info, good, warn, bad. Colour is never the only difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from ca.certificate_lists import Outline
from ca.certificates import CertificateState
from enrollment.code_sets import CodeSetState
from enrollment.credentials import CertificateView
from enrollment.disclosure import Part
from kernel.clock import tokyo_date
from registry.changes import Entry, ItemChange, ToldEntry, told
from registry.drafts import Kind
from registry.faults import FieldFault
from registry.forms import FORMS, Edit
from registry.items import GROUPS, ITEMS, Item
from registry.proposals import Change
from registry.states import ApplicationState, DeviceClass, PaymentMethod, PricePlan, SuspensionRule, SystemClass, TerminalState
from registry.terminals import Terminal
from webui.texts import gettext, language, mark, say, show_day


@dataclass(frozen=True)
class Label:
    """A word for a state, and the colour of its tag."""

    text: str
    tone: str = "plain"


SYSTEM_CLASSES: Mapping[SystemClass, str] = {
    SystemClass.SEA: mark("海上"),
    SystemClass.AIR: mark("航空"),
    SystemClass.SHARED: mark("共用"),
}
# Brand names, the same in every language.
DEVICE_CLASSES: Mapping[DeviceClass, str] = {DeviceClass.NET: "netNACCS", DeviceClass.WEB: "webNACCS", DeviceClass.EBMS: "ebMS"}
PRICE_PLANS: Mapping[PricePlan, str] = {
    PricePlan.A: mark("Aプラン(基本料金と従量料金)"),
    PricePlan.B: mark("Bプラン(従量料金のみ)"),
}
PAYMENT_METHODS: Mapping[PaymentMethod, str] = {
    PaymentMethod.DEBIT: mark("口座振替"),
    PaymentMethod.TRANSFER: mark("銀行振込"),
}
TERMINAL_STATES: Mapping[TerminalState, Label] = {
    TerminalState.PENDING: Label(mark("証明書取得待ち"), "info"),
    TerminalState.IN_SERVICE: Label(mark("利用中"), "good"),
    TerminalState.SUSPENDED: Label(mark("停止中"), "warn"),
    TerminalState.ABOLISHED: Label(mark("廃止"), "bad"),
}
APPLICATION_STATES: Mapping[ApplicationState, Label] = {
    ApplicationState.APPLIED: Label(mark("内容確認中"), "info"),
    ApplicationState.QUERIED: Label(mark("確認事項あり"), "warn"),
    ApplicationState.APPROVED: Label(mark("審査終了"), "good"),
    ApplicationState.PREPARED: Label(mark("証明書取得可能"), "good"),
    ApplicationState.COMPLETED: Label(mark("完了"), "plain"),
    ApplicationState.REJECTED: Label(mark("不承認"), "bad"),
    ApplicationState.WITHDRAWN: Label(mark("取下げ"), "plain"),
    ApplicationState.VOID: Label(mark("無効"), "bad"),
    ApplicationState.CANCELLED: Label(mark("取消し"), "bad"),
}
# Domain rules, "Suspension": the three that act by themselves.
SUSPENSION_RULES: Mapping[SuspensionRule, str] = {
    SuspensionRule.NOT_RETRIEVED: mark("利用開始日から2か月間、証明書の取得なし"),
    SuspensionRule.NOT_RENEWED: mark("有効期限から2か月間、証明書の更新なし"),
    SuspensionRule.REISSUE_NOT_RETRIEVED: mark("再発行から2か月間、証明書の取得なし"),
}
CHANGES: Mapping[Change, Label] = {
    Change.ADD: Label(mark("追加"), "info"),
    Change.RECLASSIFY: Label(mark("変更"), "warn"),
    Change.ABOLISH: Label(mark("廃止"), "bad"),
    Change.KEEP: Label(mark("変更なし")),
}
EDITS: Mapping[Edit, Label] = {
    Edit.ADD: Label(mark("追加"), "info"),
    Edit.CHANGE: Label(mark("変更"), "warn"),
    Edit.DELETE: Label(mark("削除"), "bad"),
}
# 申込分類.
APPLICATION_KINDS: Mapping[Kind, str] = {
    Kind.CONTRACT_CHANGE: mark("変更申込"),
    Kind.SYSTEM_SETTINGS: mark("システム設定申込"),
    Kind.BROKER_IDS: mark("変更申込(通関士)"),
}
CODE_SET_STATES: Mapping[CodeSetState, Label] = {
    CodeSetState.PREPARED: Label(mark("未取得"), "info"),
    CodeSetState.CLAIMED: Label(mark("取得処理中"), "info"),
    CodeSetState.REDEEMED: Label(mark("取得済み"), "good"),
    CodeSetState.FROZEN: Label(mark("凍結中"), "warn"),
    CodeSetState.EXPIRED: Label(mark("期限切れ"), "bad"),
    CodeSetState.REPLACED: Label(mark("差替え済み")),
}
_CERTIFICATE_STATES: Mapping[CertificateState, Label] = {
    CertificateState.RESERVED: Label(mark("発行処理中"), "info"),
    CertificateState.VALID: Label(mark("有効"), "good"),
    CertificateState.HELD: Label(mark("一時停止"), "warn"),
    CertificateState.REVOKED: Label(mark("失効"), "bad"),
    CertificateState.ABANDONED: Label(mark("失効"), "bad"),
}
REVOCATION_REASONS: Mapping[str, str] = {
    "unspecified": mark("指定なし"),
    "keyCompromise": mark("鍵の漏えい(紛失・盗難を含む)"),
    "affiliationChanged": mark("所属の変更"),
    "superseded": mark("再発行・更新"),
    "cessationOfOperation": mark("利用の終了"),
    "privilegeWithdrawn": mark("利用資格の取消し"),
    "certificateHold": mark("一時停止"),
}
RESULTS: Mapping[str, str] = {
    "user_codes": mark("利用者コード数"),
    "id_numbers": mark("識別番号数"),
    "lines": mark("回線数"),
    "terminals": mark("論理端末数"),
    "mailboxes": mark("メールボックス数"),
}
CODE_PARTS: Mapping[Part, str] = {
    Part.WHOLE: mark("すべて"),
    Part.ADMINISTRATOR: mark("管理責任者の分"),
    Part.APPLICANT: mark("申込者の分"),
}
FAULTS: Mapping[str, str] = {
    "required": mark("入力してください。"),
    "character": mark("使えない文字(%(character)s)が含まれています。"),
    "full-width": mark("全角で入力してください。"),
    "unshowable": mark("「%(character)s」(%(code)s)は、書類に印字できない文字です。別の字体またはカナで入力してください。"),
    "katakana": mark("全角カタカナで入力してください。"),
    "too-long": mark("%(most)s文字以内で入力してください。"),
    "phone-digits": mark("数字のみで入力してください。"),
    "phone-length": mark("0から始まる10桁または11桁の番号を入力してください。"),
    "mail-invalid": mark("メールアドレスの形式で入力してください。"),
    "mail-differs": mark("確認用のE-mailアドレスが一致しません。"),
    "date-form": mark("日付は20261210または2026/12/10の形で入力してください。"),
    "date-old": mark("%(first)s以降の日付を入力してください。"),
    "day-before-start": mark("利用開始希望日の前日(%(first)s)以降の日付を入力してください。"),
    "date-impossible": mark("実在する日付を入力してください。"),
    "date-past": mark("今日以降の日付を入力してください。"),
    "date-far": mark("%(last)sまでの日付を入力してください。"),
    "items-none": mark("変更申込を行う項目を1つ以上選択してください。"),
    "items-unknown": mark("選択できない項目が含まれています。選択し直してください。"),
    "items-exclusive": mark("「その他の契約変更」は、ほかの項目と同時に申し込めません。どちらかを選択してください。"),
    "items-first-time": mark("初めてnetNACCSを申し込む際は、次の項目も同時に選択してください: %(missing)s"),
    "count-digits": mark("台数は数字で入力してください。"),
    "count-most": mark("一度に追加できるのは%(most)s台までです。"),
    "terminals-none": mark("追加する台数、または端末の変更・廃止を入力してください。"),
    "terminal-unknown": mark("端末%(terminal)sは、この事業所に登録されていません。"),
    "terminal-both": mark("端末%(terminal)sは、区分の変更と廃止を同時に申し込めません。"),
    "terminal-busy": mark("端末%(terminal)sは、申込%(receipt_number)sで変更の手続き中です。"),
    "class-unknown": mark("システム区分を選択してください。"),
    "choice-none": mark("選択してください。"),
    "code-length": mark("%(shape)sのように、半角の英数字%(least)s～%(most)s文字で入力してください。"),
    "code-form": mark("%(shape)sのように、半角の英数字で入力してください。"),
    "latin": mark("半角の英数字で入力してください。使える記号は . , & ' ( ) / + : - です。"),
    "latin-required": mark("企業名が%(most)s文字を超えるため、英字の企業名を入力してください。"),
    "number-digits": mark("半角数字で入力してください。"),
    "number-most": mark("%(most)s以下の数を入力してください。"),
    "option-unknown": mark("選択肢から選んでください。"),
    "office-unknown": mark("この事業所コードは登録されていません。"),
    "receipt-unknown": mark("この事業所の申込に、この受付番号はありません。"),
    "owned-none": mark("選択できる登録がないため、この項目は入力できません。この画面の案内をご覧ください。"),
    "own-office": mark("ほかの事業所の事業所コードを入力してください。"),
    "postal-code": mark("郵便番号は7桁の数字で入力してください。"),
    "file-active": mark(
        "「%(name)s」にはマクロやスクリプトなどのプログラムが含まれているため、添付できません。プログラムのない形式で保存し直してください。"
    ),
    "file-content": mark("「%(name)s」の中身が、拡張子の示す形式ではないか、壊れています。元のソフトで保存し直してください。"),
    "file-empty": mark("「%(name)s」は空のファイルです。"),
    "file-large": mark("「%(name)s」は%(most)sMBを超えています。小さくするか、分けてください。"),
    "file-locked": mark("「%(name)s」は暗号化されています。パスワードを外して添付してください。"),
    "file-packed": mark("「%(name)s」は展開すると大きくなりすぎるため、添付できません。"),
    "file-type": mark("「%(name)s」は添付できない形式です。添付できるのは%(types)sです。"),
    "files-none": mark("添付するファイルを選択してください。"),
    "files-most": mark("添付できるのは%(most)s個までです。"),
    "row-last": mark("利用者コードごとに、識別番号が1つ以上必要です。"),
    "row-twice": mark("同じ内容が、すでに登録または入力されています。"),
    "unchanged": mark("変更する内容を入力してください。変更しない場合は、項目の選択を外してください。"),
    "category-unknown": mark("種別を選択してください。"),
    "date-order": mark("公開日以降の日付を入力してください。"),
    "one-line": mark("1行で入力してください。"),
}
_UNKNOWN_FAULT = mark("この内容は登録できません(%(code)s)。")


def item_name(code: str) -> str:
    """Return a change item in the reader's language."""
    return _named(ITEMS[code])


def translated(key: str, words: Mapping[str, str]) -> str:
    """Return the word for a key in the reader's language."""
    return gettext(words[key])


def told_change(change: ItemChange, entries: tuple[Entry, ...]) -> tuple[ToldEntry, ...]:
    """Return some rows of an item's before and after in the reader's language."""
    return told(ItemChange(change.item, entries), language())


def told_value(item: str, field: str, value: str) -> str:
    """Return a value of an item's field in the reader's language."""
    return FORMS[item].field(field).tell(value, language())


def field_name(item: str, field: str) -> str:
    """Return an item's field in the reader's language."""
    return FORMS[item].field(field).label(language())


def result_name(code: str) -> str:
    """Return the name of a line of the result block in the reader's language."""
    return gettext(RESULTS[code])


def item_groups() -> tuple[tuple[str, tuple[tuple[str, str], ...], bool], ...]:
    """Return the table of change items in the reader's language: group, its items as code and name, whether exclusive."""
    english = language() == "en"
    return tuple(
        (group.en if english else group.ja, tuple((item.code, _named(item)) for item in group.items), group.exclusive)
        for group in GROUPS
    )


def fault_sentence(fault: FieldFault) -> str:
    """Return what is wrong with a field, in the reader's language."""
    facts = {name: _plain(name, value) for name, value in fault.facts.items()}
    text = FAULTS.get(fault.code)
    return say(text, **facts) if text else say(_UNKNOWN_FAULT, code=fault.code)


def certificate_label(certificate: CertificateView | Outline | None, now: datetime) -> Label:
    """Return the state of a terminal's certificate on a day: time counts, too, not only what was done to it."""
    if certificate is None:
        return Label(mark("未取得"), "info")
    if certificate.state is CertificateState.VALID and now > certificate.not_after:
        return Label(mark("期限切れ"), "bad")
    if certificate.state is CertificateState.VALID and now < certificate.not_before:
        return Label(mark("開始前"), "info")
    return _CERTIFICATE_STATES[certificate.state]


def suspension(terminal: Terminal) -> str:
    """Return since when a terminal is suspended, and by which rule where no person did it; nothing of another."""
    if terminal.suspended_at is None:
        return ""
    since = show_day(tokyo_date(terminal.suspended_at))
    if terminal.suspension_rule is None:
        return say(mark("%(since)sから停止中"), since=since)
    return say(mark("%(since)sから停止中(%(rule)s)"), since=since, rule=gettext(SUSPENSION_RULES[terminal.suspension_rule]))


def equip(templates: dict[str, object]) -> None:
    """Give templates the words under their names."""
    templates |= {
        "APPLICATION_KINDS": APPLICATION_KINDS,
        "APPLICATION_STATES": APPLICATION_STATES,
        "CHANGES": CHANGES,
        "CODE_PARTS": CODE_PARTS,
        "CODE_SET_STATES": CODE_SET_STATES,
        "DEVICE_CLASSES": DEVICE_CLASSES,
        "EDITS": EDITS,
        "PAYMENT_METHODS": PAYMENT_METHODS,
        "PRICE_PLANS": PRICE_PLANS,
        "REVOCATION_REASONS": REVOCATION_REASONS,
        "SYSTEM_CLASSES": SYSTEM_CLASSES,
        "TERMINAL_STATES": TERMINAL_STATES,
        "certificate_label": certificate_label,
        "item_name": item_name,
        "field_name": field_name,
        "suspension": suspension,
        "told": told_change,
        "told_value": told_value,
    }


def _named(item: Item) -> str:
    return item.en if language() == "en" else item.ja


def _plain(name: str, value: object) -> str:
    if name == "missing" and isinstance(value, tuple):
        return gettext(mark("、")).join(item_name(code) for code in value)
    return show_day(value) if isinstance(value, date) else str(value)
