"""申込担当者: the contact of one application, and the rules of its page.

    check_contact(typed) -> Contact | Faults
    contact_form(contact) -> dict[str, list[str]]      what to fill the page with: the last applicant's data

Fields of the form: family_name, given_name, family_kana, given_kana, department, title, phone, fax, mail, mail_again.
Department, title and fax may be left empty: not every office has them.

Fault codes: required, character, full-width, katakana, too-long, phone-digits, phone-length, mail-invalid,
mail-differs.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass, fields

import email_validator

from registry.faults import Faults, FieldFault, Typed, first
from registry.japanese import digits, full_width_line, half_width, katakana_line

NAME_MOST = 20
KANA_MOST = 40
DEPARTMENT_MOST = 60
TITLE_MOST = 40
# RFC 5321 §4.5.3.1.3 leaves 254 octets for an address.
MAIL_MOST = 254
# National numbers with their leading 0: fixed lines have 10 digits, mobile and IP telephones 11.
PHONE_LENGTHS = (10, 11)


@dataclass(frozen=True)
class Contact:
    """A person to reach: names and kana in full width, phone and fax as digits, mail in ASCII."""

    family_name: str
    given_name: str
    family_kana: str
    given_kana: str
    department: str
    title: str
    phone: str
    fax: str
    mail: str

    @property
    def full_name(self) -> str:
        """Return family and given name with a full-width space between them; of who is known by one name, that."""
        return f"{self.family_name}　{self.given_name}".strip("　")

    @property
    def full_kana(self) -> str:
        """Return the reading of the full name."""
        return f"{self.family_kana}　{self.given_kana}"


def check_contact(typed: Typed) -> Contact | Faults:
    """Check the applicant's page and return the contact as it will be stored."""
    values = {name: check(name, first(typed, name)) for name, check in _CHECKS.items()}
    faults = [value for value in values.values() if isinstance(value, FieldFault)]
    mail = values["mail"]
    if isinstance(mail, str) and check_mail("mail_again", first(typed, "mail_again")) != mail:
        faults.append(FieldFault("mail_again", "mail-differs"))
    if faults:
        return Faults(faults)
    return Contact(**{name: str(value) for name, value in values.items()})


def contact_form(contact: Contact) -> dict[str, list[str]]:
    """Return the applicant's page as filled in with a contact's data."""
    form = {field.name: [value] for field, value in zip(fields(contact), astuple(contact), strict=True)}
    return form | {"mail_again": [contact.mail]}


def check_phone(field: str, text: str, *, required: bool) -> str | FieldFault:
    """Check a telephone number; full-width digits, hyphens, brackets and spaces are put right."""
    number = digits(text)
    if not number:
        return FieldFault(field, "required") if required else ""
    if not (number.isascii() and number.isdecimal()):
        return FieldFault(field, "phone-digits")
    if not number.startswith("0") or len(number) not in PHONE_LENGTHS:
        return FieldFault(field, "phone-length")
    return number


def check_mail(field: str, text: str) -> str | FieldFault:
    """Check an address of mail by its syntax; full-width ASCII is put right."""
    address = half_width(text)
    if not address:
        return FieldFault(field, "required")
    if len(address) > MAIL_MOST:
        return FieldFault(field, "too-long", {"most": MAIL_MOST})
    try:
        # Only the syntax: nobody looks names up while a customer types. Other mail servers may not speak SMTPUTF8.
        checked = email_validator.validate_email(address, check_deliverability=False, allow_smtputf8=False)
    except (email_validator.EmailNotValidError, UnicodeError):
        return FieldFault(field, "mail-invalid")
    return checked.ascii_email or FieldFault(field, "mail-invalid")


def _line(most: int, *, required: bool) -> Callable[[str, str], str | FieldFault]:
    return lambda field, text: full_width_line(field, text, most=most, required=required)


def _kana(field: str, text: str) -> str | FieldFault:
    return katakana_line(field, text, most=KANA_MOST)


# In the order of the page.
_CHECKS: dict[str, Callable[[str, str], str | FieldFault]] = {
    "family_name": _line(NAME_MOST, required=True),
    "given_name": _line(NAME_MOST, required=True),
    "family_kana": _kana,
    "given_kana": _kana,
    "department": _line(DEPARTMENT_MOST, required=False),
    "title": _line(TITLE_MOST, required=False),
    "phone": lambda field, text: check_phone(field, text, required=True),
    "fax": lambda field, text: check_phone(field, text, required=False),
    "mail": check_mail,
}
