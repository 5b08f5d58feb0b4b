"""Tables, views and migrations of ClickHouse, and every read and write of them."""
