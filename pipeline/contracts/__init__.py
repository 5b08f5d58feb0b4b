"""
What a touchpoint is: types, schemas, wire format, topics.

Imports nothing of ours and does no input or output beyond reading the schema files.
"""
