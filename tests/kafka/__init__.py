"""Tests against Apache Kafka itself, and what starts its nodes."""
