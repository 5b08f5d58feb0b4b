"""The same answer whatever happens: real processes, several orders and batchings, kills, compared with the oracle."""
