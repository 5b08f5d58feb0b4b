"""When a touchpoint was sent: written into it by whoever puts it on the wire."""


def with_sent_at(entry: bytes, now_ms: int) -> bytes:
    """Return a touchpoint as JSON that tells when it was sent, unless it tells so already."""
    # The moment of `send` would be wrong: what waits in a spool is sent much later.
    return entry if b'"sent_at":' in entry else b'{"sent_at":%d,' % now_ms + entry[1:]
