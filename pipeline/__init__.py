"""Throughline: every touchpoint a customer has with a business, joined into one live story per customer."""
