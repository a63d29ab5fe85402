"""The revisions lead to the schema that the rooms declare, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from kernel.database import Database
from migrations.upgrade import newest_revision, revision_of, upgrade
from tests.support.schema import whole_schema


def _emptied(database: Database) -> Database:
    whole_schema().drop_all(database.engine)
    return database


def _differences(database: Database) -> list[object]:
    with database.snapshot() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, whole_schema()))


def test_an_empty_database_becomes_exactly_the_declared_schema(database: Database) -> None:
    upgrade(_emptied(database))
    assert _differences(database) == []
    assert revision_of(database) == newest_revision() is not None


def test_the_comparison_notices_a_missing_column(database: Database) -> None:
    upgrade(_emptied(database))
    with database.transaction() as session:
        session.execute(text("ALTER TABLE registry_company DROP COLUMN address"))
    assert _differences(database) != []


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    upgrade(_emptied(database))
    upgrade(database)
    assert _differences(database) == []


def test_constraints_come_along_and_not_only_columns(database: Database) -> None:
    upgrade(_emptied(database))
    with database.snapshot() as session:
        if session.get_bind().dialect.name == "sqlite":
            query = "SELECT sql FROM sqlite_master WHERE name = 'enrollment_code_set'"
        else:
            query = (
                "SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint"
                " WHERE conrelid = 'enrollment_code_set'::regclass"
            )
        assert "approver" in str(session.execute(text(query)).scalar()).partition("CHECK")[2]
