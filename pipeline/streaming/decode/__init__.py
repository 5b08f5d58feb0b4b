"""
From the bytes of records to columns, and to a verdict on each record that does not become a touchpoint.

The rule it owns: one record, one verdict, and never because of its neighbours. It neither reads nor writes anything.
"""
