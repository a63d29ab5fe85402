"""Journeys drive the running doors, from application to revocation."""
