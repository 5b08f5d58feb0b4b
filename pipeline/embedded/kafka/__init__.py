"""
Apache Kafka on this machine: got from Maven coordinates (`make kafka`), run as one node with its log on disk.

It needs Java; nothing else of the project does. The node speaks on the loopback only and is the same program as in
production, so what is shown against it holds there.
"""
