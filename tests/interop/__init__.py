"""Tests by other people's programs."""
