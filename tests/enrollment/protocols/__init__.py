"""Tests of enrollment.protocols."""
