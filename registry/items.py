"""The change items of an application: the reference's table as data, and the rules of the page that ticks them.

    GROUPS                                              the table of a change of contract
    OF_KIND, ITEMS                                      the only item of other kinds; all items by code
    table_of(kind)                                      the table of any kind, as its form shows it
    check_choice(typed, *, kind, first_time, today) -> Choice | Faults

All items can be ticked together, except that the exclusive group (その他の契約変更) goes with nothing outside it. Short
labels stand here in both languages, because pages, mails and documents name the items alike.

Fields of the form: items (several values), wished_start. Fault codes: items-none, items-unknown, items-exclusive,
items-first-time (with `missing`), and those of `calendar.read_start`.
"""

from dataclasses import dataclass
from datetime import date

from registry.calendar import read_start
from registry.drafts import Kind
from registry.faults import Faults, FieldFault, Typed, first


@dataclass(frozen=True)
class Item:
    """A box to tick. With `needs_settings`, system settings must be complete some days before the start date."""

    code: str
    ja: str
    en: str
    needs_settings: bool = False


@dataclass(frozen=True)
class Group:
    """A row of the table; the items of an exclusive group can not be ticked together with any other group's."""

    code: str
    ja: str
    en: str
    items: tuple[Item, ...]
    exclusive: bool = False


@dataclass(frozen=True)
class Choice:
    """The page's clean content: item codes in the table's order, and the wished start date."""

    items: tuple[str, ...]
    wished_start: date


TERMINALS = "terminals"
PRICE_PLAN = "price_plan"
ID_NUMBERS = "id_numbers"
# What an office must tick with its first terminals.
FIRST_TIME = (ID_NUMBERS, PRICE_PLAN)

GROUPS = (
    Group(
        "office",
        "本社・事業所の変更",
        "Head office and office",
        (
            Item("names", "企業名、事業所名、所在地等", "Names and addresses of company and office"),
            Item("contractor", "契約者名、契約者の役職", "Contractor's name and title"),
            Item("head_office", "本社情報(所在地、電話番号等)", "Head office (address, telephone …)"),
            Item(
                "administrator",
                "システム管理責任者の情報(電話番号、緊急連絡用FAX番号)",
                "System administrator (telephone, emergency fax)",
            ),
        ),
    ),
    Group(
        "users",
        "利用業種・利用者コード等の変更",
        "Business types and user codes",
        (
            Item("businesses", "利用業種(追加・変更・削除)", "Business types (add, change, delete)"),
            Item("user_codes", "利用者コード(追加・変更・削除)", "User codes (add, change, delete)"),
            Item(ID_NUMBERS, "識別番号(追加・削除)", "ID numbers (add, delete)"),
        ),
    ),
    Group(
        "net",
        "端末の変更(netNACCS)",
        "Terminals (netNACCS)",
        (Item(TERMINALS, "netNACCS端末の登録情報(追加・変更・削除)", "netNACCS terminals (add, change, delete)"),),
    ),
    Group(
        "general",
        "回線・端末等の変更(一般NACCS)",
        "Lines and terminals (general NACCS)",
        (
            Item(
                "lines",
                "一般NACCS回線の登録情報(追加・変更・廃止)",
                "General NACCS lines (add, change, abolish)",
                needs_settings=True,
            ),
            Item(
                "general_terminals",
                "一般NACCS端末の登録情報(追加・変更・削除)",
                "General NACCS terminals (add, change, delete)",
                needs_settings=True,
            ),
            Item(
                "mailboxes",
                "一般NACCSのメールボックス数(追加・廃止)",
                "General NACCS mailboxes (add, abolish)",
                needs_settings=True,
            ),
        ),
    ),
    Group(
        "plan",
        "料金プランの変更",
        "Price plan",
        (Item(PRICE_PLAN, "料金プラン(AプランまたはBプランの選択)", "Price plan (A or B)"),),
    ),
    Group(
        "statistics",
        "管理統計資料の変更",
        "Management statistics",
        (Item("statistics", "管理統計資料(有料分・無料分)", "Management statistics (paid, free)"),),
    ),
    Group(
        "storage",
        "保管管理資料保存サービスの変更",
        "Storage of records",
        (Item("storage", "保管管理資料保存サービス(要・不要)", "Storage of records (wanted or not)"),),
    ),
    Group(
        "billing",
        "請求先の変更",
        "Billing",
        (
            Item("billing_address", "請求書送付先", "Address for invoices"),
            Item("billing_contact", "請求先担当者", "Contact for invoices"),
            Item("payment_method", "支払の方法(口座振替・銀行振込)", "Method of payment (direct debit, bank transfer)"),
        ),
    ),
    Group(
        "other",
        "その他の契約変更",
        "Other changes of the contract",
        (
            Item("sharing", "共用(追加・解除)", "Sharing (add, end)"),
            Item("joint_use", "共同利用(追加・解除)", "Joint use (add, end)"),
            Item("joint_use_new", "共同利用(新規事業所)", "Joint use (new office)"),
            Item("transfer", "事業所間の登録情報の移動(付替)", "Moving registrations between offices"),
            Item("succession", "地位の承継", "Succession to the contract"),
            Item("termination", "契約解除、事業所廃止", "End of the contract, closing of the office"),
        ),
        exclusive=True,
    ),
)
# Applications about one thing only: nothing is ticked.
OF_KIND = {
    Kind.SYSTEM_SETTINGS: Item("system_settings", "システム設定", "System settings"),
    Kind.BROKER_IDS: Item("broker_ids", "通関士ID(追加・削除)", "Customs brokers' IDs (add, delete)"),
}
_TITLE_OF_KIND = {
    Kind.SYSTEM_SETTINGS: ("システム設定", "System settings"),
    Kind.BROKER_IDS: ("通関士ID", "Customs brokers' IDs"),
}
ITEMS = {item.code: item for group in GROUPS for item in group.items} | {item.code: item for item in OF_KIND.values()}
_TABLE = frozenset(item.code for group in GROUPS for item in group.items)
EXCLUSIVE = frozenset(item.code for group in GROUPS if group.exclusive for item in group.items)


def table_of(kind: Kind) -> tuple[Group, ...]:
    """Return what a form of this kind offers: the whole table, or the kind's only item in a row of its own."""
    only = OF_KIND.get(kind)
    return GROUPS if only is None else (Group(kind.value, *_TITLE_OF_KIND[kind], (only,)),)


def check_choice(typed: Typed, *, kind: Kind = Kind.CONTRACT_CHANGE, first_time: bool, today: date) -> Choice | Faults:
    """Check the page of items and wished start date; `first_time` when the office never had a terminal."""
    only = OF_KIND.get(kind)
    ticked = [only.code] if only else typed.get("items", [])
    items = tuple(code for code in ITEMS if code in ticked)
    fault = None if only else _fault_of(items, ticked, first_time=first_time)
    faults = [] if fault is None else [fault]
    start = read_start(first(typed, "wished_start"), today)
    if isinstance(start, FieldFault):
        return Faults([*faults, start])
    return Faults(faults) if faults else Choice(items, start)


def _fault_of(items: tuple[str, ...], ticked: list[str], *, first_time: bool) -> FieldFault | None:
    if not ticked:
        return FieldFault("items", "items-none")
    if not set(ticked) <= _TABLE:
        return FieldFault("items", "items-unknown")
    if EXCLUSIVE & set(items) and not set(items) <= EXCLUSIVE:
        return FieldFault("items", "items-exclusive")
    missing = [code for code in FIRST_TIME if code not in items]
    if first_time and TERMINALS in items and missing:
        return FieldFault("items", "items-first-time", {"missing": tuple(missing)})
    return None
