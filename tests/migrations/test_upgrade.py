"""The revisions lead to the schema that the rooms declare, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

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


def test_checks_and_partial_indexes_are_the_declared_ones(database: Database) -> None:
    # Alembic compares neither the text of a CHECK nor the condition of a partial index.
    declared = _conditions(database)
    upgrade(_emptied(database))
    assert _conditions(database) == declared
    assert any("approver" in condition for condition in declared.values())


def _conditions(database: Database) -> dict[tuple[str, str], str]:
    inspector = inspect(database.engine)
    found = {}
    for table in whole_schema().tables:
        for check in inspector.get_check_constraints(table):
            found[table, str(check["name"])] = check["sqltext"]
        for index in inspector.get_indexes(table):
            options = index.get("dialect_options", {})
            found[table, str(index["name"])] = f"unique={index['unique']} " + " ".join(map(str, options.values()))
    return found
