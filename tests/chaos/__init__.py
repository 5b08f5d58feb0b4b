"""Faults against real processes on Apache Kafka: a load with a ledger, a nemesis with a seed, and a checker."""
