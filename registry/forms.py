"""What each change item asks for: forms and lists as data. Pages, checks, before and after, and their execution follow it.

    FORMS[item] -> Form

A form without a key is one record: the company's name, the payment method. A form with `rows` is a list whose rows can
be added, changed or deleted, as `edits` says. A request changes nothing in the contract by itself: staff act on its
words. Terminals have rules of their own (`proposals.check_terminals`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from registry.fields import (
    ADDRESS,
    DAY,
    HAS,
    KANA,
    NAME,
    PHONE,
    POSTAL_CODE,
    SHORT,
    SYSTEM,
    WANTED,
    Choice,
    Field,
    Option,
    Owned,
    code,
    latin,
    number,
    wide,
    words,
)


class Edit(StrEnum):
    """What becomes of a row."""

    ADD = "add"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True)
class Form:
    """What one item asks for.

    `names` are the fields that name a row of a list to its readers; `unique` those of which no two rows may have the
    same values; of each value of `kept` one row stays. With `is_request` there is no present content.
    """

    fields: tuple[Field, ...]
    names: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    kept: str = ""
    edits: frozenset[Edit] = frozenset({Edit.CHANGE})
    is_request: bool = False

    @property
    def is_list(self) -> bool:
        """Return whether there may be several rows."""
        return bool(self.names)

    @property
    def is_companys(self) -> bool:
        """Return whether some of it counts for all offices of the company."""
        return any(field.column.startswith("company.") for field in self.fields)

    def asked(self, edit: Edit) -> tuple[Field, ...]:
        """Return the fields that are asked for when a row is added or changed."""
        return tuple(field for field in self.fields if not field.is_shown and (edit is Edit.ADD or not field.when_added))

    def field(self, name: str) -> Field:
        """Return a field by its code."""
        return next(field for field in self.fields if field.code == name)


# The same in both languages of the trade's own lists: what is stored is the Japanese word.
def _words(*pairs: tuple[str, str]) -> Choice:
    return Choice(tuple(Option(ja, ja, en) for ja, en in pairs))


BUSINESSES = _words(
    ("通関業", "Customs broker"),
    ("船会社", "Shipping company"),
    ("船舶代理店", "Shipping agent"),
    ("航空会社", "Airline"),
    ("航空貨物代理店", "Air cargo agent"),
    ("混載業", "Consolidator"),
    ("海貨業", "Harbour forwarder"),
    ("ＮＶＯＣＣ", "NVOCC"),
    ("保税蔵置場", "Bonded warehouse"),
    ("ＣＹ", "Container yard"),
    ("機用品業", "Aircraft supplier"),
    ("輸出入者", "Importer or exporter"),
    ("損害保険会社", "Insurance company"),
    ("銀行", "Bank"),
)
PROCESSINGS = _words(
    ("会話型", "Interactive"),
    ("電子メール型", "By mail"),
    ("ウェブ型", "By web"),
    ("サーバー間接続型", "Server to server"),
)
LINE_KINDS = Choice(
    (
        Option("shared", "ベストエフォート回線", "Best-effort line"),
        Option("guaranteed", "帯域保証回線", "Line of guaranteed bandwidth"),
        Option("double", "二重化回線", "Duplicated line"),
    )
)
DEVICES = Choice(
    (
        Option("pc", "パソコン", "PC"),
        Option("printer", "プリンタ", "Printer"),
        Option("gateway", "ゲートウェイ", "Gateway"),
    )
)
PLANS = Choice(
    (
        Option("A", "Aプラン(基本料金と従量料金)", "Plan A (basic fee and metered use)"),
        Option("B", "Bプラン(従量料金のみ)", "Plan B (metered use only)"),
    )
)
PAYMENTS = Choice((Option("debit", "口座振替", "Direct debit"), Option("transfer", "銀行振込", "Bank transfer")))
ENDINGS = Choice((Option("contract", "契約解除", "End of the contract"), Option("office", "事業所廃止", "Closing of the office")))
MOVED = Choice(
    (
        Option("terminals", "論理端末", "Terminals"),
        Option("user_codes", "利用者コード・識別番号", "User codes and ID numbers"),
        Option("lines", "回線・一般NACCS端末", "Lines and general NACCS terminals"),
        Option("all", "すべての登録", "Everything"),
    )
)
SETTINGS = Choice(
    (
        Option("output", "出力情報の配信先", "Where output is sent"),
        Option("mailbox", "メールボックス", "Mailboxes"),
        Option("forms", "帳票の出力形式", "Form of documents"),
        Option("other", "その他", "Other"),
    )
)
OFFICE_CODE = code("[A-Z]{3}[0-9]{3}", "ABC001", 12)
USER_CODE = code("[A-Z0-9]{5,8}", "1AABC", 16, lengths=(5, 8))
ID_NUMBER = code("[A-Z0-9]{3}", "001", 6)
RECEIPT = code("[0-9]{6}[A-Z]", "260001A", 14)
OWN_USER_CODE = Owned("user_codes", "user_code")
_ALL = frozenset(Edit)
_ADD_DELETE = frozenset({Edit.ADD, Edit.DELETE})


FORMS: Mapping[str, Form] = {
    "names": Form(
        (
            Field("company_name", "企業名", "Company name", NAME, column="company.name"),
            Field(
                "company_latin_name",
                "企業名(英字)",
                "Company name in Latin letters",
                latin(64),
                required=False,
                column="company.latin_name",
                hint_ja="これから発行するデジタル証明書に記載されます。",
                hint_en="It stands in the certificates that are issued from then on.",
            ),
            Field("office_name", "事業所名", "Office name", NAME, column="office.name"),
            Field("office_postal_code", "郵便番号", "Postal code", POSTAL_CODE, column="office.postal_code"),
            Field("office_address", "所在地", "Address", ADDRESS, column="office.address"),
            Field("office_phone", "電話番号", "Telephone", PHONE, column="office.phone"),
            Field("office_fax", "FAX番号", "Fax", PHONE, required=False, column="office.fax"),
        )
    ),
    "contractor": Form(
        (
            Field("contractor_name", "契約者名", "Contractor's name", wide(80), column="contract.contractor_name"),
            Field(
                "contractor_title",
                "契約者の役職",
                "Contractor's title",
                SHORT,
                required=False,
                column="contract.contractor_title",
            ),
        )
    ),
    "head_office": Form(
        (
            Field("head_postal_code", "本社の郵便番号", "Head office's postal code", POSTAL_CODE, column="company.postal_code"),
            Field("head_address", "本社所在地", "Head office's address", ADDRESS, column="company.address"),
            Field("head_phone", "本社の電話番号", "Head office's telephone", PHONE, column="company.phone"),
        )
    ),
    "administrator": Form(
        (
            Field("department", "所属部署名", "Department", wide(60), required=False, column="office.administrator_department"),
            Field("title", "役職名", "Title", SHORT, required=False, column="office.administrator_title"),
            Field("phone", "電話番号", "Telephone", PHONE, column="office.administrator_phone"),
            Field("fax", "緊急連絡用FAX番号", "Emergency fax", PHONE, required=False, column="office.administrator_fax"),
        )
    ),
    "businesses": Form(
        (Field("system_class", "区分", "Class", SYSTEM), Field("business", "利用業種", "Business type", BUSINESSES)),
        names=("system_class", "business"),
        unique=("system_class", "business"),
        edits=_ALL,
    ),
    "user_codes": Form(
        (
            Field(
                "user_code",
                "利用者コード",
                "User code",
                USER_CODE,
                when_added=True,
                hint_ja="半角英数字5～8文字。例: 1AABC",
                hint_en="Five to eight digits or capitals, for example 1AABC.",
            ),
            Field(
                "id_number",
                "最初の識別番号",
                "First ID number",
                ID_NUMBER,
                when_added=True,
                hint_ja="半角英数字3文字。ほかの識別番号は「識別番号」で追加します。",
                hint_en="Three digits or capitals. More of them are added with the item “ID numbers”.",
            ),
            Field("system_class", "区分", "Class", SYSTEM),
            Field("business", "利用業種", "Business type", BUSINESSES),
            Field("processing", "処理方式", "Way of processing", PROCESSINGS),
        ),
        names=("user_code",),
        unique=("user_code",),
        edits=_ALL,
    ),
    "id_numbers": Form(
        (
            Field("user_code", "利用者コード", "User code", OWN_USER_CODE, when_added=True),
            Field("id_number", "識別番号", "ID number", ID_NUMBER, when_added=True),
        ),
        names=("user_code", "id_number"),
        unique=("user_code", "id_number"),
        kept="user_code",
        edits=_ADD_DELETE,
    ),
    "lines": Form(
        (
            Field("number", "回線番号", "Line number", code("L[0-9]{6}", "L000001", 10), is_shown=True),
            Field("postal_code", "設置場所の郵便番号", "Postal code of the place", POSTAL_CODE),
            Field("place", "設置場所", "Place", ADDRESS),
            Field("kind", "回線種別", "Kind of line", LINE_KINDS),
        ),
        names=("number",),
        edits=_ALL,
    ),
    "general_terminals": Form(
        (
            Field("name", "端末名", "Terminal name", code("[0-9]{5}G", "00001G", 10), is_shown=True),
            Field("system_class", "区分", "Class", SYSTEM),
            Field("device", "機器", "Device", DEVICES),
            Field(
                "line_number",
                "接続する回線",
                "Line",
                Owned("lines", "number"),
                required=False,
                hint_ja="同時に申し込む新しい回線に接続する場合は、選択しないでください。",
                hint_en="Leave it open for a new line that you apply for at the same time.",
            ),
        ),
        names=("name",),
        edits=_ALL,
    ),
    "mailboxes": Form(
        (
            Field(
                "mailboxes",
                "メールボックス数",
                "Mailboxes",
                number(999),
                column="contract.mailboxes",
                hint_ja="変更後の合計を半角数字で入力してください。",
                hint_en="How many there shall be in all.",
            ),
        )
    ),
    "price_plan": Form((Field("price_plan", "料金プラン", "Price plan", PLANS, column="contract.price_plan"),)),
    "statistics": Form(
        (
            Field("user_code", "利用者コード", "User code", USER_CODE, is_shown=True),
            Field("paid_statistics", "有料分", "Paid", HAS),
            Field("free_statistics", "無料分", "Free", HAS),
        ),
        names=("user_code",),
    ),
    "storage": Form(
        (
            Field("user_code", "利用者コード", "User code", USER_CODE, is_shown=True),
            Field("storage", "保存サービス", "Storage", WANTED),
        ),
        names=("user_code",),
    ),
    "billing_address": Form(
        (
            Field("billing_name", "請求書の宛名", "Addressee of invoices", NAME, column="contract.billing_name"),
            Field("billing_postal_code", "郵便番号", "Postal code", POSTAL_CODE, column="contract.billing_postal_code"),
            Field("billing_address", "請求書送付先", "Address for invoices", ADDRESS, column="contract.billing_address"),
        )
    ),
    "billing_contact": Form(
        (
            Field("billing_contact", "請求先担当者", "Contact for invoices", NAME, column="contract.billing_contact"),
            Field("billing_phone", "電話番号", "Telephone", PHONE, column="contract.billing_phone"),
        )
    ),
    "payment_method": Form(
        (Field("payment_method", "支払の方法", "Method of payment", PAYMENTS, column="contract.payment_method"),)
    ),
    "sharing": Form(
        (
            Field("user_code", "共用する利用者コード", "Shared user code", OWN_USER_CODE, when_added=True),
            Field("partner", "共用する事業所の事業所コード", "Office code of the other office", OFFICE_CODE, when_added=True),
        ),
        names=("user_code", "partner"),
        unique=("user_code", "partner"),
        edits=_ADD_DELETE,
    ),
    "joint_use": Form(
        (Field("partner", "共同利用する事業所の事業所コード", "Office code of the other office", OFFICE_CODE, when_added=True),),
        names=("partner",),
        unique=("partner",),
        edits=_ADD_DELETE,
    ),
    "joint_use_new": Form(
        (
            Field("new_name", "新しい事業所の名称", "Name of the new office", NAME),
            Field("new_postal_code", "郵便番号", "Postal code", POSTAL_CODE),
            Field("new_address", "所在地", "Address", ADDRESS),
            Field("new_phone", "電話番号", "Telephone", PHONE),
            Field("purpose", "共同利用の内容", "What is used jointly", words()),
        ),
        is_request=True,
    ),
    "transfer": Form(
        (
            Field("to_office", "移動先の事業所コード", "Office code to move to", OFFICE_CODE),
            Field("what", "移動する登録情報", "What is moved", MOVED),
            Field("details", "移動の内容", "Details", words()),
        ),
        is_request=True,
    ),
    "succession": Form(
        (
            Field("successor", "承継する企業名", "Successor", NAME),
            Field("successor_contractor", "承継後の契約者名", "Contractor afterwards", wide(80)),
            Field("successor_title", "承継後の契約者の役職", "Contractor's title afterwards", SHORT, required=False),
            Field("succession_day", "承継日", "Day of the succession", DAY, may_be_past=True),
            Field("succession_reason", "承継の理由", "Reason", words()),
        ),
        is_request=True,
    ),
    "termination": Form(
        (
            Field("ending", "解約の内容", "What ends", ENDINGS),
            Field("last_day", "最終利用日", "Last day of use", DAY),
            Field("ending_reason", "理由", "Reason", words(), required=False),
        ),
        is_request=True,
    ),
    "system_settings": Form(
        (
            Field(
                "for_receipt",
                "関連する申込の受付番号",
                "Receipt number of the application that needs it",
                RECEIPT,
                required=False,
            ),
            Field("setting", "設定の種類", "Kind of setting", SETTINGS),
            Field("setting_user_code", "利用者コード", "User code", OWN_USER_CODE, required=False),
            Field("setting_details", "設定の内容", "Details", words()),
        ),
        is_request=True,
    ),
    "broker_ids": Form(
        (
            Field("user_code", "利用者コード", "User code", OWN_USER_CODE, when_added=True),
            Field("id_number", "通関士の識別番号", "The broker's ID number", ID_NUMBER, when_added=True),
            Field("family_name", "姓", "Family name", wide(20), when_added=True),
            Field("given_name", "名", "Given name", wide(20), when_added=True),
            Field("family_kana", "姓(フリガナ)", "Family name in katakana", KANA, when_added=True),
            Field("given_kana", "名(フリガナ)", "Given name in katakana", KANA, when_added=True),
            Field(
                "licence",
                "通関士の登録番号",
                "Registration number",
                code("[0-9A-Z-]{4,20}", "12-3456", 24),
                when_added=True,
            ),
        ),
        names=("user_code", "id_number"),
        unique=("user_code", "id_number"),
        edits=_ADD_DELETE,
    ),
}
