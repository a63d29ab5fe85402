"""Second factors as use cases: each code once, guessing slowed, everything on record and told by mail."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from kernel import audit, outbox
from kernel.audit.history import history
from kernel.database import Database
from kernel.errors import Refused
from keys.codes import UnsealingError
from tests.support.clock import SettableClock
from tests.webui.conftest import OPERATOR, Doors
from tests.webui.visitors import TOTP_SECRET, code_at
from webui.accounts import Person
from webui.factors import Factors, Outcome
from webui.factors.tables import RecoveryCodeRow, TotpRow

SOURCE = "192.0.2.1"
VISIT = b"v" * 32


def refusal(deed: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        deed()
    return refused.value.code


def mails_to(database: Database, person: Person) -> list[str]:
    with database.snapshot() as session:
        found = outbox.search(session, outbox.Wanted())
    return [mail.body for mail in found if mail.recipient == person.mail]


@pytest.fixture
def factors(doors: Doors) -> Factors:
    """Return the use cases."""
    return doors.factors


@pytest.fixture
def hanako(doors: Doors) -> Person:
    """Return hanako, who has an app."""
    return doors.person("hanako", "NAC001")


def bare(doors: Doors, person: Person) -> None:
    """Take somebody's factors away, without a word."""
    with doors.database.transaction() as session:
        for row in session.scalars(select(TotpRow).where(TotpRow.account_id == person.account_id)):
            session.delete(row)


def enrolled(doors: Doors, person: Person) -> tuple[str, ...]:
    """Give somebody an app the way the pages do; return the recovery codes."""
    bare(doors, person)
    pending = doors.factors.begin_totp(person)
    code = pyotp.TOTP(doors.factors.pending_secret(person, pending)).at(doors.clock.now())
    return doors.factors.confirm_totp(person, pending, code, keep=VISIT)


def test_a_code_is_good_once_and_the_next_one_again(doors: Doors, factors: Factors, hanako: Person) -> None:
    code = code_at(doors.clock)
    assert factors.prove(hanako, code, SOURCE) is Outcome.TOTP
    assert refusal(lambda: factors.prove(hanako, code, SOURCE)) == "factor-wrong"
    assert factors.prove(hanako, code_at(doors.clock, steps=1), SOURCE) is Outcome.TOTP
    assert refusal(lambda: factors.prove(hanako, code_at(doors.clock, steps=-1), SOURCE)) == "factor-wrong"
    doors.clock.advance(timedelta(minutes=1))
    assert factors.prove(hanako, code_at(doors.clock), SOURCE) is Outcome.TOTP


def test_of_two_who_send_one_code_at_the_same_moment_one_passes(doors: Doors, factors: Factors, hanako: Person) -> None:
    code = code_at(doors.clock)

    def once(_: int) -> bool:
        try:
            factors.prove(hanako, code, SOURCE)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(once, range(4))) == 1


def test_the_secret_is_sealed_for_its_account(doors: Doors, factors: Factors, hanako: Person) -> None:
    saburo = doors.person("saburo", "NAC002")
    with doors.database.transaction() as session:
        row = session.get_one(TotpRow, hanako.account_id)
        assert TOTP_SECRET.encode() not in row.sealed
        session.get_one(TotpRow, saburo.account_id).sealed = row.sealed
    with pytest.raises(UnsealingError):
        factors.prove(saburo, code_at(doors.clock), SOURCE)


def test_guessing_locks_the_guessing_source_first_and_the_person_is_told(
    doors: Doors, factors: Factors, hanako: Person
) -> None:  # fmt: skip
    for _ in range(5):
        assert refusal(lambda: factors.prove(hanako, "000000", SOURCE)) == "factor-wrong"
    assert refusal(lambda: factors.prove(hanako, code_at(doors.clock), SOURCE)) == "throttled"
    assert factors.prove(hanako, code_at(doors.clock), "192.0.2.9") is Outcome.TOTP
    [told] = mails_to(doors.database, hanako)
    assert "パスワードを他人に知られているおそれ" in told
    assert "somebody else may know the password" in told


def test_guessing_from_many_sources_locks_the_account(doors: Doors, factors: Factors, hanako: Person) -> None:
    for number in range(15):
        refusal(lambda source=f"192.0.2.{number}": factors.prove(hanako, "000000", source))  # type: ignore[misc]
    assert refusal(lambda: factors.prove(hanako, code_at(doors.clock), "198.51.100.1")) == "throttled"
    doors.clock.advance(timedelta(minutes=61))
    assert factors.prove(hanako, code_at(doors.clock), "198.51.100.1") is Outcome.TOTP


def test_an_app_counts_from_its_first_code_on(doors: Doors, factors: Factors, hanako: Person) -> None:
    bare(doors, hanako)
    pending = factors.begin_totp(hanako)
    secret = factors.pending_secret(hanako, pending)
    assert secret not in pending
    assert refusal(lambda: factors.confirm_totp(hanako, pending, "000000", keep=VISIT)) == "factor-wrong"
    assert not factors.standing(hanako.account_id).is_any
    code = pyotp.TOTP(secret).at(doors.clock.now())
    codes = factors.confirm_totp(hanako, pending, code, keep=VISIT)
    assert (factors.standing(hanako.account_id).count, len(codes)) == (1, 10)
    assert refusal(lambda: factors.prove(hanako, code, SOURCE)) == "factor-wrong"
    assert "認証アプリを登録しました" in mails_to(doors.database, hanako)[0]


def test_an_app_in_place_of_another_leaves_the_recovery_codes_alone(doors: Doors, factors: Factors, hanako: Person) -> None:
    codes = enrolled(doors, hanako)
    pending = factors.begin_totp(hanako)
    doors.clock.advance(timedelta(minutes=1))
    code = pyotp.TOTP(factors.pending_secret(hanako, pending)).at(doors.clock.now())
    assert factors.confirm_totp(hanako, pending, code, keep=VISIT) == ()
    assert factors.prove(hanako, codes[0], SOURCE) is Outcome.RECOVERY


def test_recovery_codes_are_kept_as_digests_and_good_once(doors: Doors, factors: Factors, hanako: Person) -> None:
    codes = enrolled(doors, hanako)
    with doors.database.snapshot() as session:
        assert len(list(session.scalars(select(RecoveryCodeRow)))) == 10
    assert factors.prove(hanako, codes[3].lower(), SOURCE) is Outcome.RECOVERY
    assert refusal(lambda: factors.prove(hanako, codes[3], SOURCE)) == "factor-wrong"
    assert factors.standing(hanako.account_id).recovery_left == 9
    assert any("残りは9個" in mail for mail in mails_to(doors.database, hanako))
    renewed = factors.renew_recovery(hanako)
    assert refusal(lambda: factors.prove(hanako, codes[4], SOURCE)) == "factor-wrong"
    assert factors.prove(hanako, renewed[4], SOURCE) is Outcome.RECOVERY
    saburo = doors.person("saburo", "NAC002")
    assert refusal(lambda: factors.prove(saburo, renewed[5], SOURCE)) == "factor-wrong"


def test_with_the_last_factor_the_recovery_codes_go(doors: Doors, factors: Factors, hanako: Person) -> None:
    enrolled(doors, hanako)
    factors.remove_totp(hanako)
    standing = factors.standing(hanako.account_id)
    assert (standing.is_any, standing.recovery_left) == (False, 0)
    assert refusal(lambda: factors.remove_totp(hanako)) == "factor-none"
    assert refusal(lambda: factors.renew_recovery(hanako)) == "factor-none"


def test_staff_keep_their_last_factor(doors: Doors, factors: Factors) -> None:
    doors.code("sato")
    assert refusal(lambda: factors.remove_totp(doors.person("sato"))) == "factor-last"


def test_a_reset_takes_everything_ends_the_log_ins_and_is_told(doors: Doors, factors: Factors, hanako: Person) -> None:
    visitor = doors.customer()
    for wrong in ("", " ", "x" * 201):
        assert refusal(lambda reason=wrong: factors.reset(hanako, audit.staff("ito"), reason)) == "reason-malformed"  # type: ignore[misc]
    factors.reset(hanako, audit.staff("ito"), "電話で本人を確認した。")
    assert visitor.get("/").location == "/login"
    assert not factors.standing(hanako.account_id).is_any
    assert refusal(lambda: factors.reset(hanako, audit.staff("ito"), "x")) == "factor-none"
    assert any("センターが二段階認証を解除しました" in mail for mail in mails_to(doors.database, hanako))
    with doors.database.snapshot() as session:
        [deed] = [deed for deed in history(session, "account:NAC001/hanako") if deed.action == "account.reset-factors"]
    assert (deed.actor, deed.facts["reason"]) == ("staff:ito", "電話で本人を確認した。")


def test_an_operator_gives_an_app_once(doors: Doors, factors: Factors, hanako: Person) -> None:
    assert not factors.provide_totp(hanako, "A" * 32, OPERATOR)
    assert factors.prove(hanako, code_at(doors.clock), SOURCE) is Outcome.TOTP


def test_neither_mails_nor_the_record_hold_a_secret(doors: Doors, factors: Factors, hanako: Person) -> None:
    codes = enrolled(doors, hanako)
    factors.prove(hanako, codes[0], SOURCE)
    refusal(lambda: factors.prove(hanako, "123456", SOURCE))
    told = "".join(mails_to(doors.database, hanako))
    with doors.database.snapshot() as session:
        told += "".join(str(deed) for deed in history(session, "account:NAC001/hanako"))
    assert "account.prove-failed" in told
    assert not [code for code in (*codes, "123456", TOTP_SECRET) if code in told]


def test_the_clock_of_the_house_decides(doors: Doors, factors: Factors, hanako: Person, clock: SettableClock) -> None:
    clock.advance(timedelta(days=400))
    assert factors.prove(hanako, code_at(clock), SOURCE) is Outcome.TOTP
    assert doors.clock is clock
