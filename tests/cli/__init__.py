"""Tests of the command `throughline` and of its supervisor."""
