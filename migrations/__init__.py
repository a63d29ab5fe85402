"""The schema's history: Alembic revisions for the tables of all rooms, the same on SQLite and PostgreSQL."""
