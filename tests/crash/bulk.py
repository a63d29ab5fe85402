"""Thousands of code sets at once: the rows that `CodePreparation` writes, in one transaction."""

import secrets
from datetime import timedelta

from enrollment import codes as code_rules
from enrollment.codes import Codes
from enrollment.tables import CodeSetRow
from kernel.clock import tokyo_date
from tests.support.house import APPROVER, OFFICE, PREPARER, House


def prepare_many(house: House, count: int) -> list[tuple[str, Codes]]:
    """Register so many terminals and prepare their codes; return both."""
    names, now = house.new_terminals(count), house.clock.now()
    today = tokyo_date(now)
    made = []
    with house.database.transaction() as session:
        for name in names:
            codes, code_set_id = code_rules.generate(name, OFFICE), secrets.token_hex(16)
            session.add(
                CodeSetRow(
                    id=code_set_id,
                    terminal=name,
                    office_code=OFFICE,
                    approver=str(APPROVER),
                    preparer=str(PREPARER),
                    state="prepared",
                    access_key_digest=code_rules.access_key_digest(house.hasher, codes.access_key),
                    codes_digest=code_rules.codes_digest(house.hasher, codes),
                    sealed=code_rules.seal(house.sealer, codes, code_set_id, name),
                    start_date=today,
                    expires_on=today + timedelta(days=60),
                    prepared_at=now,
                )
            )
            made.append((name, codes))
    return made
