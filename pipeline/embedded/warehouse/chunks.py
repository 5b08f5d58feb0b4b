"""Parts of a streamed answer put together, where each part came as a document of its own."""

from collections.abc import Iterator

# https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format: a message is 0xFFFFFFFF, the length of its
# metadata, the metadata, the body; a stream ends with the mark and length 0. The schema comes first, without a body.
_MARK = b"\xff\xff\xff\xff"
_END = _MARK + b"\0\0\0\0"


def joined_arrow(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Make one Arrow stream of several with the same schema: the schema once, one end."""
    is_first = True
    for part in parts:
        whole = memoryview(part)
        if whole[: len(_MARK)] != _MARK or whole[-len(_END) :] != _END:
            raise ValueError("not an Arrow stream")
        schema_end = 8 + int.from_bytes(whole[4:8], "little")
        body = whole[schema_end : -len(_END)]
        if is_first:
            yield bytes(whole[:schema_end])
        if body:
            yield bytes(body)
        is_first = False
    if not is_first:
        yield _END
