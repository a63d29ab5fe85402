"""What staff should look at first: how long an application has waited, and how near its start date is."""

from dataclasses import dataclass
from datetime import date

from kernel.clock import tokyo_date
from registry import calendar, schedule
from registry.applications import Application
from registry.calendar import STANDARD_LEAD, Schedule, StartWarning
from registry.states import ApplicationState
from webui.doorway import doorway
from webui.texts import mark, say, show_day
from webui.words import Label

# The reference promises an answer from the next business day on; what waits longer than this is told.
PATIENCE = 2
# Prepared so late, a customer can hardly retrieve before the start date.
CODES_LEAD = 3

UNDER_REVIEW = (ApplicationState.APPLIED, ApplicationState.QUERIED)


@dataclass(frozen=True)
class Calendar:
    """Today, and the business days that the warnings compare with: worked out once a page."""

    today: date
    earliest_start: date
    latest_unanswered: date
    soon: date

    @classmethod
    def of(cls, today: date) -> "Calendar":
        """Work out the days around today."""
        return cls(
            today=today,
            earliest_start=calendar.add_business_days(today, STANDARD_LEAD),
            latest_unanswered=calendar.add_business_days(today, -PATIENCE),
            soon=calendar.add_business_days(today, CODES_LEAD),
        )

    def age(self, application: Application) -> int:
        """Return for how many days an application has existed."""
        return (self.today - tokyo_date(application.applied_at)).days

    def labels(self, application: Application) -> tuple[Label, ...]:
        """Return the warnings of a line in the queue, finished sentences."""
        found = []
        if application.state is ApplicationState.APPLIED and tokyo_date(application.applied_at) <= self.latest_unanswered:
            found.append(Label(say(mark("%(days)s営業日以上経過"), days=PATIENCE), "warn"))
        if application.state in UNDER_REVIEW:
            if application.wished_start < self.today:
                found.append(Label(say(mark("希望日を過ぎています")), "bad"))
            elif application.wished_start < self.earliest_start:
                found.append(Label(say(mark("希望日まで短い")), "warn"))
        if application.state is ApplicationState.APPROVED and application.start_date and application.start_date <= self.soon:
            found.append(Label(say(mark("開始日が間近")), "warn"))
        return tuple(found)


def start_warnings(start: date, today: date) -> tuple[str, ...]:
    """Return everything to tell staff about a start date before they confirm it, finished sentences."""
    if start < today:
        return (say(mark("この日付は過ぎています。")),)
    told = [_told(warning) for warning in calendar.warnings(start, today, published())]
    if not calendar.is_business_day(start):
        told.insert(0, say(mark("営業日ではありません。")))
    return tuple(told)


def published() -> Schedule:
    """Return the published start dates."""
    with doorway().parts.database.snapshot() as session:
        return schedule.read(session)


def applied_warnings(warnings: tuple[StartWarning, ...]) -> tuple[str, ...]:
    """Return what the customer was told about the wished date when applying, finished sentences."""
    return tuple(_told(warning) for warning in warnings)


def _told(warning: StartWarning) -> str:
    if warning.code == "near":
        return say(mark("標準日数(%(days)s営業日)より短い日付です。"), days=STANDARD_LEAD)
    return say(mark("公表している利用開始日ではありません。次の利用開始日は%(better)sです。"), better=show_day(warning.better))
