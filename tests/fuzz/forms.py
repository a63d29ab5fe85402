"""What is typed into forms: applications and change items, notices, accounts, remarks, the five inputs of the page.

An input is a form as text: fields end with a record separator, which nobody types, names with an equals sign.
"""

import dataclasses
import html.parser
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields
from random import Random
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import Encoding

from enrollment import codes, reissue
from enrollment.protocols.page import fields as page_fields
from enrollment.windows_scripts import WindowsScripts
from kernel.errors import Refused
from registry import contracts, proposals
from registry.applicants import Contact, check_contact, contact_form
from registry.bulletin import check_content
from registry.bulletin.contents import Content, content_form
from registry.changes import Ground, ItemChange, Known, as_stored, check_item, from_stored, retyped, told
from registry.drafts import Kind
from registry.faults import Faults, Typed
from registry.forms import FORMS
from registry.items import Choice, check_choice
from registry.japanese import forbidden_character
from registry.offices import Office
from registry.proposals import Situation, TerminalWishes
from tests.ca.trial import trial_issuer
from tests.fuzz import mutation
from tests.fuzz.trial import NotTaken, Read, Target, trusting_the_text
from tests.registry.conftest import APPLICANT, COMPANY, CONTRACT, OFFICE
from tests.registry.test_changes import CODE
from tests.registry.test_proposals import OWN
from tests.support.clock import MORNING
from tests.webui.visitors import PASSWORD
from webui import markup
from webui.account_words import SENTENCES
from webui.accounts.persons import normal, require_well_formed
from webui.passwords import LONGEST, require_good
from webui.refusals import SHARED
from webui.words import FAULTS

_END = "\x1e"
TODAY = MORNING.date()
HERE = Office(**{field.name: getattr(OFFICE, field.name) for field in fields(OFFICE)}, company=COMPANY)
PRESENT = contracts.present(HERE, CONTRACT)
KNOWN = Known(frozenset({"NAC001", "ABC001"}), frozenset({"260001A"}))
GROUND = Ground("NAC001", PRESENT, TODAY, TODAY, {"user_codes": ("NAC01",), "lines": ()}, KNOWN)
SITUATION = Situation(
    today=TODAY, first_time=False, office=HERE, terminals=OWN, busy={"77777W": "260001A"}, present=PRESENT, siblings={}
)
_TYPED = (
    *(
        b"\x1e",
        b"=",
        b"\n",
        b"\r",
        b"\x00",
        b"\x1b",
        b"\t",
        b" ",
        b"-",
        b"0",
        b"9" * 30,
        b"A" * 300,
        b"<b>",
        b"'",
        b"%s",
        b"\xff",
        b"@",
    ),
    *(b"2026-12-10", b"0001-01-01", b"9999-12-31", b"yes", b"on", b"NAC001", b"NAC01", b"new1.", b"new20.", b".delete", b"a@b"),
    *(
        one.encode()
        for one in ("１", "٣", "²", "ｱﾞ", "が", "か\u3099", "\u200b", "\u202e", "\ufeff", "　", "株", "㈱", "𠮷", "葛\U000e0100")
    ),
    *(one.encode() for one in ("\U0001f600", "\ue000", "\u0301", "ﷺ", "Ａ", "ー", "〒", "〜", "é", "Ж")),
)


def _written(typed: Mapping[str, Sequence[str]]) -> bytes:
    return _END.join(f"{name}={value}" for name, values in typed.items() for value in values).encode()


def _read(content: bytes) -> Typed:
    typed: dict[str, list[str]] = {}
    for field in content.decode("utf-8", "replace").split(_END):
        name, _, value = field.partition("=")
        typed.setdefault(name, []).append(value)
    return typed


def _clean(found: Any) -> Any:  # noqa: ANN401 (what a check returns)
    """Return what a check let through; raise NotTaken for faults, each of which must be told with all its facts."""
    if not isinstance(found, Faults):
        return found
    for fault in found:
        assert fault.code in FAULTS, fault.code
        assert FAULTS[fault.code] % dict.fromkeys(fault.facts, "") if fault.facts else True
        assert "%(" not in FAULTS[fault.code] or fault.facts
    raise NotTaken(",".join(fault.code for fault in found))


def can_be_stored(text: str, most: int) -> None:
    """See that a text can be stored and shown: no half characters, nothing invisible, not too long."""
    text.encode()
    assert len(text) <= most
    assert forbidden_character(text, lines=True) is None
    assert text == text.strip()


def _item(content: bytes) -> ItemChange:
    """Check the page of an item; the field `item` says which."""
    typed = dict(_read(content))
    item = (typed.pop("item", None) or [""])[0]
    if item not in FORMS:
        raise NotTaken
    return cast("ItemChange", _clean(check_item(item, typed, GROUND)))


def changes_the_same_again(_content: bytes, taken: ItemChange) -> None:
    """See that a change, filled in again as it was understood, is the same change, stored or not, and can be told."""
    again = check_item(taken.item, retyped(taken, PRESENT), GROUND)
    assert isinstance(again, ItemChange)
    assert [(entry.before, entry.after) for entry in again.entries] == [(entry.before, entry.after) for entry in taken.entries]
    assert from_stored(taken.item, as_stored(taken)) == taken
    assert told(taken, "ja")
    assert told(taken, "en")
    form = FORMS[taken.item]
    for entry in taken.entries:
        for code, value in (entry.after or {}).items():
            can_be_stored(value, max(getattr(form.field(code).kind, "most", 60), 60))


def _as_typed(read: Read) -> Read:
    """Plant a fault: what was typed for the first field of a request is kept as it was typed."""

    def careless(content: bytes) -> Any:  # noqa: ANN401 (what a reader returns)
        taken: ItemChange = read(content)
        typed = _read(content)
        entries = tuple(
            dataclasses.replace(
                entry, after={code: typed[code][0] if code in typed else value for code, value in (entry.after or {}).items()}
            )
            for entry in taken.entries
        )
        return dataclasses.replace(taken, entries=entries)

    return careless


_SAMPLES: Mapping[str, Typed] = {
    "names": {
        "office_phone": ["０３－３３３３－００００"],
        "office_address": ["東京都江東区４－５"],
        "company_latin_name": ["Nac K.K."],
    },
    "mailboxes": {"mailboxes": ["１２"]},
    "payment_method": {"payment_method": ["transfer"]},
    "user_codes": CODE,
    "id_numbers": {"new1.user_code": ["NAC01"], "new1.id_number": ["002"], "NAC01-001.delete": ["yes"]},
    "sharing": {"new1.user_code": ["NAC01"], "new1.partner": ["ABC001"]},
    "termination": {"ending": ["office"], "last_day": ["２０２７/1/31"], "ending_reason": ["閉鎖のため\r\n終了します"]},
    "succession": {
        "successor": ["新商事"],
        "successor_contractor": ["新 太郎"],
        "succession_day": ["20270401"],
        "succession_reason": ["合併"],
    },
    "broker_ids": {
        "new1.user_code": ["NAC01"],
        "new1.id_number": ["009"],
        "new1.family_name": ["通関"],
        "new1.given_name": ["太郎"],
        "new1.family_kana": ["ﾂｳｶﾝ"],
        "new1.given_kana": ["タロウ"],
        "new1.licence": ["12-3456"],
    },
}


def _items() -> Sequence[bytes]:
    return [_written({"item": [item], **typed}) for item, typed in _SAMPLES.items()]


def _spoilt_form(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change the values of a form, which keep their names; or any of its octets."""
    whole = chance.choice(seeds)
    if chance.randrange(4) == 0:
        return mutation.text(*_TYPED)(chance, [whole])
    pairs = [field.partition(b"=") for field in whole.split(_END.encode())]
    for _ in range(chance.choice((1, 1, 1, 2))):
        at = chance.randrange(len(pairs))
        name, equals, value = pairs[at]
        match chance.randrange(5):
            case 0:
                value = chance.choice(_TYPED)
            case 1:
                value += chance.choice(_TYPED)
            case 2:
                value = chance.choice(_TYPED) + value
            case 3:
                value = chance.choice(pairs)[2]
            case _:
                value = mutation.text(*_TYPED)(chance, [value])
        pairs[at] = name, equals, value
    return _END.encode().join(b"".join(pair) for pair in pairs)


def _application(content: bytes) -> Mapping[str, Any]:
    """Check the pages that are no item's, all from one form."""
    typed = _read(content)
    kind = Kind.SYSTEM_SETTINGS if "settings" in typed else Kind.CONTRACT_CHANGE
    return {
        "choice": _clean(check_choice(typed, kind=kind, first_time=False, today=TODAY)),
        "contact": _clean(check_contact(typed)),
        "terminals": _clean(proposals.check_terminals(typed, SITUATION)),
        "remarks": _clean(proposals.check_remarks(typed)),
        "answer": _clean(proposals.check_answer(typed)),
    }


def asks_the_same_again(_content: bytes, taken: Mapping[str, Any]) -> None:
    """See that the applicant is their own normal form, that dates lie ahead, and that counts are what they seem."""
    contact, choice, wishes = taken["contact"], taken["choice"], taken["terminals"]
    assert isinstance(contact, Contact)
    assert isinstance(choice, Choice)
    assert isinstance(wishes, TerminalWishes)
    assert check_contact(contact_form(contact)) == contact
    for field in fields(contact):
        can_be_stored(getattr(contact, field.name), 254)
    assert contact.phone.isdecimal()
    assert contact.mail.isascii()
    assert contact.mail.count("@") == 1 or contact.mail.startswith('"')
    assert choice.wished_start >= TODAY
    assert all(1 <= addition.count <= proposals.ADDED_MOST for addition in wishes.additions)
    assert {*wishes.abolitions, *(one.terminal_name for one in wishes.reclassifications)} <= {"88888W", "99999W"}
    can_be_stored(taken["remarks"], proposals.TEXT_MOST)
    can_be_stored(taken["answer"], proposals.ANSWER_MOST)


def _passing_over_what_is_invisible(read: Read) -> Read:
    """Plant a fault: an invisible character in a name is passed over."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except NotTaken as refused:
            if str(refused) != "character":
                raise
            taken = read(_application_form())
            return {
                **taken,
                "contact": dataclasses.replace(taken["contact"], family_name=_read(content)["family_name"][0] + "\u200b"),
            }

    return careless


def _application_form() -> bytes:
    pages: dict[str, list[str]] = {
        "items": ["terminals", "mailboxes"],
        "wished_start": ["２０２６/12/１０"],
        **contact_form(APPLICANT),
        "add.net.sea": ["２"],
        "class.99999W": ["air"],
        "abolish": ["88888W"],
        "remarks": ["備考\r\n２行目"],
        "answer": [""],
    }
    return _written(pages)


def _notice(content: bytes) -> Content:
    return cast("Content", _clean(check_content(_read(content), TODAY)))


class _Tags(html.parser.HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.found.append((tag, tuple(attrs)))


_ALLOWED = {"h2", "h3", "h4", "p", "br", "ul", "ol", "li", "pre", "a", "strong", "code"}


def shows_nothing_but_text(_content: bytes, taken: Content) -> None:
    """See that a notice is its own normal form, and becomes a page of a few harmless tags."""
    form = {name: [value] for name, value in content_form(taken).items()}
    assert check_content(form, TODAY) == taken
    for body in (taken.body_ja, taken.body_en):
        can_be_stored(body, 10_000)
        tags = _Tags()
        tags.feed(str(markup.render(body)))
        tags.close()
        for tag, attributes in tags.found:
            assert tag in _ALLOWED
            for name, value in attributes:
                assert name in {"href", "class", "start"}
                if name == "href":
                    assert re.match(r"https?://|/(?![/\\])", value or "")


def _believing_html(read: Read) -> Read:
    """Plant a fault: whatever is in angle brackets stands in the page as it was typed."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        taken: Content = read(content)
        return dataclasses.replace(taken, category="\u200b") if "<b>" in taken.body_ja else taken

    return careless


_BODY = "## 見出し\n本文 **強調** と [案内](/bulletin/manuals/renewal)、https://example.jp/a?b=c。\n\n- 一つ\n\n1. a\n    b"
_NOTICE = {
    "category": ["maintenance"],
    "title_ja": ["保守のお知らせ"],
    "title_en": ["Maintenance"],
    "body_ja": [_BODY],
    "body_en": ["See `code` and\r\n[here](https://example.jp/)"],
    "publish_from": ["2026-12-01"],
    "publish_until": ["2026/12/31"],
    "is_pinned": ["1"],
}


def _account(content: bytes) -> tuple[str, str, str, str]:
    """Check the fields of an account: log-in name, name, mail; a new password, and a reason in words."""
    typed = _read(content)
    login, name, mail, password, reason = ((typed.get(one) or [""])[0] for one in ("login", "name", "mail", "password", "reason"))
    login = normal(login)
    require_well_formed(login=login, name=name, mail=mail)
    require_good(password, login=login)
    reissue._require_text(reason)  # noqa: SLF001 (stands at the door of use cases that need a house)
    return login, name, mail, password


def fits_the_columns(_content: bytes, taken: tuple[str, str, str, str]) -> None:
    """See that what is stored is short and plain, and that no password holds its log-in name."""
    login, name, mail, password = taken
    assert login.isascii()
    assert 2 <= len(login) <= 40
    assert login == normal(login)
    assert len(name) <= 80
    assert len(mail) <= 254
    plain = unicodedata.normalize("NFKC", password)
    assert len(plain) <= LONGEST
    assert login not in plain.lower()
    for text in (name, mail):
        text.encode()
        assert not any(unicodedata.category(one).startswith("C") for one in text)


def _with_long_names(read: Read) -> Read:
    """Plant a fault: names may be as long as one likes."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except Refused as refused:
            if refused.code != "name-malformed":
                raise
            return "hanako", _read(content)["name"][0] * 10 + "\x00", "hanako@example.jp", PASSWORD

    return careless


_ACCOUNT = {
    "login": ["Ｈanako.2"],
    "name": ["通関 花子"],
    "mail": ["hanako@example.jp"],
    "password": [PASSWORD],
    "reason": ["故障のため\r\n交換"],
}
_SCRIPTS = WindowsScripts("https://localhost:8444", trial_issuer().issuer.certificate.public_bytes(Encoding.PEM))


def _page(content: bytes) -> tuple[codes.Codes, bytes]:
    """Read the page's form, what a link fills in, and the terminal whose files for Windows are asked for."""
    typed = {name: values[0] for name, values in _read(content).items()}
    terminal = typed.get("terminal", "")
    page_fields.known(typed.get("office_code", ""), terminal)
    found, faults = page_fields.read(typed)
    if found is None:
        assert set(faults) <= {field.name for field in page_fields.FIELDS}
        raise NotTaken
    return found, _SCRIPTS.request_file(terminal)


def writes_one_terminal(_content: bytes, taken: tuple[codes.Codes, bytes]) -> None:
    """See that codes have their form, and that a file for Windows names a terminal and has no line more than others."""
    found, file = taken
    for field in page_fields.FIELDS:
        assert re.fullmatch(field.pattern, getattr(found, field.name))
    assert file.count(b"\r\n") == _SCRIPTS.request_file("99999W").count(b"\r\n")


def _with_any_terminal(read: Read) -> Read:
    """Plant a fault: what is asked for as a terminal stands in the file."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except Refused:
            found, _ = page_fields.read({name: values[0] for name, values in _read(content).items()})
            terminal = _read(content)["terminal"][0]
            return found, _SCRIPTS.request_file("99999W").replace(b"99999W", terminal.replace("\n", "\r\n").encode())

    return careless


def _five() -> Sequence[bytes]:
    key = "123456789012"
    typed = {
        "access_key": f"{key}{codes.check_digit(key)}",
        "auth_code_1": "nac999w",
        "auth_code_2": "ABC-DEF",
        "auth_code_3": "ＡＢＣＤＥ",
        "office_code": "NAC001",
        "terminal": "99999W",
    }
    return [_written({name: [value] for name, value in typed.items()})]


TARGETS = (
    Target(
        "page of a change item",
        _items,
        lambda: _item,
        (NotTaken,),
        changes_the_same_again,
        _spoilt_form,
        (trusting_the_text, _as_typed),
    ),
    Target(
        "pages of an application",
        lambda: [_application_form()],
        lambda: _application,
        (NotTaken,),
        asks_the_same_again,
        _spoilt_form,
        (trusting_the_text, _passing_over_what_is_invisible),
    ),
    Target(
        "notice of the bulletin",
        lambda: [_written(_NOTICE)],
        lambda: _notice,
        (NotTaken,),
        shows_nothing_but_text,
        _spoilt_form,
        (trusting_the_text, _believing_html),
    ),
    Target(
        "account",
        lambda: [_written(_ACCOUNT)],
        lambda: _account,
        (Refused,),
        fits_the_columns,
        _spoilt_form,
        (trusting_the_text, _with_long_names),
        codes=frozenset({*SHARED, *SENTENCES, "input-invalid"}),
    ),
    Target(
        "form of the retrieval page",
        _five,
        lambda: _page,
        (Refused, NotTaken),
        writes_one_terminal,
        _spoilt_form,
        (trusting_the_text, _with_any_terminal),
    ),
)
