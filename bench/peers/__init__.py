"""
The contestants that do the job in another way, each in a process and with libraries of its own.

The job: consume the Avro touchpoints, decode them, find the visit of every event (the record's key is the customer, 30
minutes of silence end a visit) and write every event with its visit to the warehouse. The modules here import
nothing of `pipeline`: most run in a Python that does not have it.
"""
