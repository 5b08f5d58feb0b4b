"""Tests of the enrichment."""
