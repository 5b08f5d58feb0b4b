"""The embedded warehouse: chDB, the ClickHouse engine in this process, behind ClickHouse's HTTP interface."""
