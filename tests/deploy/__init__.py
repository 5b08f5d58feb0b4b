"""The production shape: every setting exists, every command runs, every metric is exported."""
