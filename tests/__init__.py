"""Tests mirror the rooms; journeys drive the doors, interop asks other people's programs, architecture checks the house."""
