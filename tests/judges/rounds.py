"""The ways through a town on which all its pages are seen: as customer, staff and reader, and as who retrieves a certificate."""

import re
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from enrollment.protocols import retrieval
from enrollment.protocols.page import door as page
from enrollment.protocols.retrieval import RetrievalDoor
from registry.drafts import Section
from registry.items import GROUPS
from registry.letters import Letters
from tests.judges.documents import Scribe, Shelf, Tour
from tests.judges.town import EVERY_ROLE, Town
from tests.support.house import new_request
from tests.support.retrieval_page import page_of
from tests.webui.center.test_generations import typed
from tests.webui.conftest import OPERATOR
from tests.webui.mailbox import PORTAL, Mailbox
from tests.webui.neighbours import JADE
from tests.webui.test_kept import hidden
from tests.webui.visitors import PASSWORD
from webui.accounts import NewAccount, Right, Role, UserLetters
from webui.accounts.addresses import AddressChanges

LANGUAGES = ("ja", "en")
ITEMS = [item.code for group in GROUPS for item in group.items if item.code != "terminals"]
Form = dict[str, str | list[str]]


@dataclass
class Rounds:
    """All rounds; what they see is on the shelf."""

    town: Town
    shelf: Shelf = field(default_factory=Shelf)

    def make(self) -> Shelf:
        """Go everywhere."""
        customer, staff = self._customer(), self._staff()
        for language in LANGUAGES:
            staff.choose(language)
            staff.scribe.get("/generations/new")
            staff.scribe.post("/generations/new", dict(typed(self.town.two)))
        self.town.two.change()
        self._confirm_addresses()
        for tour, more in ((customer, self.town.portal_ways), (staff, self.town.center_ways)):
            tour.choose("ja")
            tour.explore([*more, *tour.samples()])
            tour.choose("en")
            tour.again(list(tour.read))
        self._each_item(customer)
        self._read_receipt(customer)
        self._prove_again(customer, JADE.login("boss"), JADE.code)
        self._prove_again(staff, EVERY_ROLE)
        for tour in (customer, staff):
            self._send_forms(tour)
        self._read_bulletin()
        self._come_without_factor()
        self._come_late(customer, "/apply/items", {"office_code": JADE.code, "user": JADE.login("boss")})
        self._come_late(staff, "/start-days/change", {"user": EVERY_ROLE})
        self._stay_outside()
        self._retrieve()
        return self.shelf

    def _customer(self) -> Tour:
        doors, login = self.town.doors, JADE.login("boss")
        doors.customer(login, office_code=JADE.code)  # another session, to be ended
        scribe = Scribe(doors.portal, self.shelf)
        return Tour(scribe, lambda: void(doors.enter(scribe, login, JADE.code)), beyond="/bulletin")

    def _staff(self) -> Tour:
        doors = self.town.doors
        doors.staff(EVERY_ROLE)
        scribe = Scribe(doors.center, self.shelf)

        def enter() -> None:
            doors.code(EVERY_ROLE)
            doors.enter(scribe, EVERY_ROLE)

        return Tour(scribe, enter)

    def _each_item(self, customer: Tour) -> None:
        """Open the page of each item of the table, as it first is and with nothing filled in."""
        drafts, who = self.town.doors.drafts, JADE.customer()
        draft = drafts.begin(who)
        whole = {name: draft.section(name) for name in (Section.CHOICE, "price_plan")}
        for language in LANGUAGES:
            customer.choose(language)
            for item in ITEMS:
                drafts.save(who, draft.id, Section.CHOICE, {**whole[Section.CHOICE], "items": [item]})
                customer.again([f"/apply/items/{item}"])
                drafts.save(who, draft.id, item, {"new1.": [""]})
                customer.again([f"/apply/items/{item}"])
        for section, content in whole.items():
            drafts.save(who, draft.id, section, content)

    def _read_receipt(self, customer: Tour) -> None:
        """See what is said after an application was sent."""
        shown = (way for way, is_page in customer.read.items() if is_page)
        numbers = [found[1] for way in shown if (found := re.fullmatch(r"/applications/(\w{7})", way))]
        for language in LANGUAGES:
            customer.choose(language)
            customer.again([f"/apply/done/{numbers[0]}"])

    def _prove_again(self, tour: Tour, login: str, office_code: str = "") -> None:
        """Be asked for the second factor once more, give it wrongly and rightly, and get new recovery codes."""
        for language in LANGUAGES:
            tour.choose(language)
            self.town.doors.clock.advance(timedelta(minutes=12))
            tour.scribe.get("/factors")
            for form in ({}, {"factor_code": "000000"}, {"factor_code": self.town.doors.code(login, office_code)}):
                tour.scribe.post("/factors/recovery", form)

    def _send_forms(self, tour: Tour) -> None:
        """Send all forms, empty and filled in, and read what was not there yet."""
        tour.choose("ja")
        tour.fill_in(with_words=False)
        tour.choose("en")
        tour.fill_in(with_words=True)
        tour.choose("ja")
        tour.fill_in(with_words=True)
        left = [way for way, is_page in tour.read.items() if not is_page]
        for language in LANGUAGES:
            tour.choose(language)
            tour.again(left)

    def _read_bulletin(self) -> None:
        for start in ("/bulletin/", "/bulletin/en/"):
            scribe = Scribe(self.town.doors.portal, self.shelf)
            tour = Tour(scribe, lambda: None, start)
            tour.explore([start, f"{start}manuals/none", *(f"{start}notices/{number}" for number in range(1, 6))])

    def _come_without_factor(self) -> None:
        """Log in as somebody who has no second factor yet."""
        doors, seen = self.town.doors, self.shelf
        doors.accounts.add(NewAccount("goro", "五郎", "goro@example.jp", PASSWORD, frozenset(Right), "NAC002"), OPERATOR)
        doors.accounts.add(NewAccount("nao", "直", "nao@example.jp", PASSWORD, frozenset({Role.REVIEW})), OPERATOR)
        for app, login, office_code in ((doors.portal, "goro", "NAC002"), (doors.center, "nao", "")):
            scribe = Scribe(app, seen)
            doors.enter(scribe, login, office_code)
            for language in LANGUAGES:
                scribe.get("/factors")
                scribe.post("/language", {"language": language, "next": "/factors"})
                scribe.get("/factors")
                scribe.post("/factors/totp/begin")
                scribe.get("/factors/totp")
                scribe.post("/factors/totp", {"first_code": "000000"})

    def _confirm_addresses(self) -> None:
        """Follow both links of a change of address, one in each language."""
        doors = self.town.doors
        changes = AddressChanges(doors.database, doors.clock, UserLetters(Letters(PORTAL)))
        changes.of_user(doors.person("hanako", "NAC001"), "new@example.jp")
        mailbox = Mailbox(doors.database, doors.clock)
        for language, address in zip(LANGUAGES, ("new@example.jp", "hanako@example.jp"), strict=True):
            token = mailbox.token_of(address)
            reader = Scribe(doors.portal, self.shelf)
            reader.get("/account/mail")
            reader.post("/language", {"language": language, "next": "/account/mail"})
            reader.get("/account/mail")
            for more in ({}, {"step": "do"}):
                reader.post("/account/mail", {"code": token, **more})

    def _come_late(self, tour: Tour, address: str, credentials: Form) -> None:
        """Send a form long after the session ended, log in, and be asked whether it is to be sent."""
        doors, scribe = self.town.doors, tour.scribe
        for language in LANGUAGES:
            tour.choose(language)
            scribe.get("/password")
            doors.clock.advance(timedelta(hours=2))
            form: Form = {"note": "残る言葉"}
            asked = scribe.post(scribe.post(address, form).location, form)
            second = scribe.post("/login", {**credentials, "password": PASSWORD, **hidden(asked.text)})
            office_code = str(credentials.get("office_code", ""))
            scribe.post("/login/second", {**hidden(second.text), "factor_code": "000000"})
            code = doors.code(str(credentials["user"]), office_code)
            scribe.post("/login/second", {**hidden(second.text), "factor_code": code})

    def _stay_outside(self) -> None:
        """Open what is open to all, as somebody who never logged in, and send its forms empty."""
        for app in (self.town.doors.portal, self.town.doors.center):
            scribe = Scribe(app, self.shelf)
            for language in LANGUAGES:
                scribe.get("/login")
                scribe.post("/language", {"language": language, "next": "/login"})
                tour = Tour(scribe, lambda: None, beyond="/bulletin")
                tour.explore(["/nowhere", *tour.samples()])
                tour.fill_in(with_words=False)

    def _retrieve(self) -> None:
        """Look at the retrieval door's pages, and send a request without codes, with wrong ones, and with good ones."""
        house = self.town.house
        app = retrieval.create_app(RetrievalDoor(house.redemption))
        page.mount(app, page_of(house, "https://localhost:8444"))
        scribe = Scribe(app, self.shelf, "192.0.2.99")
        _, terminals = self.town.doors.prepared(2)
        for query, terminal in zip(("", "?lang=en"), terminals, strict=True):
            codes = house.codes_of(terminal)
            for way in ("/retrieve", "/retrieve/request", "/retrieve/none", "/nowhere"):
                scribe.get(way + query)
            good: Form = {**asdict(codes), "csr": new_request().pem.decode()}
            for form in ({}, {**good, "auth_code_3": "99999"}, good):
                scribe.post(f"/retrieve/request{query}", form)


def void(_: object) -> None:
    """Forget what was returned."""
