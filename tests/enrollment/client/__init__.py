"""Tests of the terminal's client."""
