"""
The schema registry: which schema an id names, and which id a schema has.

Optional: without it records carry fingerprints, and nothing here is used. It speaks Confluent's API.
"""
