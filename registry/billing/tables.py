"""Tables of billing. A bill and its lines are written once, together."""

from datetime import date, datetime

from sqlalchemy import JSON, BigInteger, CheckConstraint, Enum, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime
from registry.billing.prices import Item
from registry.states import PaymentMethod, PricePlan

_Id = BigInteger().with_variant(Integer, "sqlite")


def _one_of(choices: type[Item | PricePlan | PaymentMethod], name: str) -> Enum:
    return Enum(
        choices,
        native_enum=False,
        length=20,
        create_constraint=True,
        name=f"ck_registry_{name}",
        values_callable=lambda members: [member.value for member in members],
    )


class BilledStateRow(Base):
    """What an office's contract says from a day on, as far as it is billed: user codes with paid statistics, with storage."""

    __tablename__ = "registry_billed_state"

    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"), primary_key=True)
    from_day: Mapped[date] = mapped_column(primary_key=True)
    price_plan: Mapped[PricePlan | None] = mapped_column(_one_of(PricePlan, "billed_state_plan"))
    statistics: Mapped[list[str]] = mapped_column(JSON)
    storage: Mapped[list[str]] = mapped_column(JSON)


class SuspensionRow(Base):
    """A terminal's suspension that is over; that which lasts stands in the terminal's row."""

    __tablename__ = "registry_suspension"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    terminal_name: Mapped[str] = mapped_column(ForeignKey("registry_terminal.name"), index=True)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BillRow(Base):
    """A month that was closed, with the payer by value."""

    __tablename__ = "registry_bill"
    __table_args__ = (UniqueConstraint("office_code", "month", name="uq_registry_bill_month"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"))
    # The month's first day.
    month: Mapped[date]
    price_plan: Mapped[PricePlan | None] = mapped_column(_one_of(PricePlan, "bill_plan"))
    payer_company: Mapped[str] = mapped_column(String(100))
    payer_office: Mapped[str] = mapped_column(String(100))
    payer_name: Mapped[str] = mapped_column(String(100))
    payer_postal_code: Mapped[str] = mapped_column(String(7))
    payer_address: Mapped[str] = mapped_column(String(200))
    payer_contact: Mapped[str] = mapped_column(String(100))
    payer_billing_code: Mapped[str] = mapped_column(String(7))
    payer_payment_method: Mapped[PaymentMethod | None] = mapped_column(_one_of(PaymentMethod, "bill_payment"))
    subtotal: Mapped[int] = mapped_column(BigInteger)
    tax_percent: Mapped[int]
    tax: Mapped[int] = mapped_column(BigInteger)
    closed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BillLineRow(Base):
    """A line of a bill."""

    __tablename__ = "registry_bill_line"

    bill_id: Mapped[int] = mapped_column(ForeignKey("registry_bill.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[Item] = mapped_column(_one_of(Item, "bill_line_item"))
    month: Mapped[date]
    subjects: Mapped[list[str]] = mapped_column(JSON)
    title: Mapped[str] = mapped_column(String(60))
    unit: Mapped[str] = mapped_column(String(10))
    quantity: Mapped[int] = mapped_column(BigInteger)
    price: Mapped[int | None]
    amount: Mapped[int] = mapped_column(BigInteger)


class UsageRow(Base):
    """A record of metered use; without a bill until a month is closed."""

    __tablename__ = "registry_usage"
    __table_args__ = (
        Index("ix_registry_usage_unbilled", "office_code", "bill_id"),
        CheckConstraint("quantity >= 0", "ck_registry_usage_quantity"),
    )

    record: Mapped[str] = mapped_column(String(40), primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"))
    month: Mapped[date]
    user_code: Mapped[str] = mapped_column(String(8))
    title: Mapped[str] = mapped_column(String(60))
    quantity: Mapped[int] = mapped_column(BigInteger)
    unit: Mapped[str] = mapped_column(String(10))
    amount: Mapped[int] = mapped_column(BigInteger)
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("registry_bill.id"))
