"""
A request over HTTP, read: who asks, what, with which settings, parameters, tables and data.

As in ClickHouse, the query stands in the address, in the body, or in both (the body then continues it); a form holds
external tables. Only the head of an INSERT is read here: its data stays on the line until somebody wants it.
"""

import base64
import binascii
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from pipeline.embedded.warehouse.call import External
from pipeline.embedded.warehouse.compression import Decompressor
from pipeline.embedded.warehouse.credentials import Credentials
from pipeline.embedded.warehouse.faults import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    QUERY_IS_TOO_LARGE,
    REQUIRED_PASSWORD,
    Fault,
)
from pipeline.embedded.warehouse.statement import Insert, split_insert

# Parameters of the address that are about the request and no settings of the engine.
_ABOUT_THE_REQUEST = frozenset(
    {
        "query", "database", "user", "password", "default_format", "query_id", "session_id", "session_timeout",
        "session_check", "close_session", "quota_key", "compress", "decompress", "buffer_size", "role", "stacktrace",
        "client_protocol_version",
    }
)  # fmt: skip
_EXTERNAL_TRAITS = ("_format", "_structure", "_types")
_PARAMETER = "param_"

# A statement longer than this is refused; data of an INSERT and external tables are no part of it.
_MAX_STATEMENT_BYTES = 64 << 20
MAX_EXTERNAL_BYTES = 512 << 20
# The head of an INSERT lies within this much of the body.
_HEAD_BYTES = 1 << 18


@dataclass
class Asking:
    """What a request asks for."""

    user: str
    query_id: str
    text: bytes = b""
    insert: Insert | None = None
    body: AsyncIterator[bytes] | None = None
    database: str = ""
    default_format: str = "TabSeparated"
    settings: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    externals: tuple[External, ...] = ()


def authenticated(request: web.Request, credentials: Credentials) -> str:
    """
    Return the user of a request.

    Raises:
        Fault: If it names nobody, or the password is wrong.
    """
    headers, query = request.headers, request.query
    authorization = headers.get("Authorization", "")
    if "X-ClickHouse-User" in headers:
        name, password = headers["X-ClickHouse-User"], headers.get("X-ClickHouse-Key", "")
    elif authorization.lower().startswith("basic "):
        try:
            decoded = base64.b64decode(authorization[6:], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Fault(BAD_ARGUMENTS, "Invalid HTTP Basic authentication header") from error
        name, _, password = decoded.partition(":")
    elif "user" in query:
        name, password = query["user"], query.get("password", "")
    else:
        raise Fault(REQUIRED_PASSWORD, "Say who you are: HTTP Basic authentication, or X-ClickHouse-User and -Key")
    user = credentials.user_of(name, password)
    if user is None:
        raise Fault(
            AUTHENTICATION_FAILED,
            f"{name}: Authentication failed: password is incorrect, or there is no user with such name",
        )
    return user


async def read_asking(request: web.Request, user: str) -> Asking:
    """Read a request up to the data of its INSERT, if it is one."""
    fields = dict(request.query)
    if fields.get("compress") == "1" or fields.get("decompress") == "1":
        raise Fault(NOT_IMPLEMENTED, "ClickHouse's own block compression is not spoken here; use Content-Encoding")
    files: dict[str, bytes] = {}
    body: AsyncIterator[bytes] = _decoded_body(request)
    if request.content_type == "multipart/form-data":
        values, files = await _read_form(request)
        fields.update(values)
        body = _nothing()
    if not all(value.isprintable() for name, value in fields.items() if name in ("query_id", "default_format")):
        raise Fault(BAD_ARGUMENTS, "query_id and default_format must be plain text")
    asking = Asking(user, query_id=fields.get("query_id") or str(uuid.uuid4()))
    path = request.match_info.get("database", "")
    asking.database = fields.get("database") or request.headers.get("X-ClickHouse-Database") or path
    asking.default_format = fields.get("default_format") or request.headers.get("X-ClickHouse-Format") or "TabSeparated"
    asking.externals = tuple(_external(name, data, fields) for name, data in files.items())
    traits = {name + trait for name in files for trait in _EXTERNAL_TRAITS}
    for name, value in fields.items():
        if name.startswith(_PARAMETER):
            asking.parameters[name.removeprefix(_PARAMETER)] = value
        elif name not in _ABOUT_THE_REQUEST and name not in traits:
            asking.settings[name] = value
    await _read_text(asking, fields.get("query", "").encode(), body)
    return asking


async def _read_text(asking: Asking, text: bytes, body: AsyncIterator[bytes]) -> None:
    """Take the statement from the address and the body; leave the data of an INSERT in the body."""
    if text:
        asking.insert = split_insert(text)
    head = bytearray(text)
    separator = b"\n" if text else b""
    while asking.insert is None:
        part = await anext(body, None)
        if part is None:
            asking.insert = split_insert(bytes(head[:_HEAD_BYTES]))
            asking.text = bytes(head)
            break
        head += separator + part
        separator = b""
        if len(head) >= _HEAD_BYTES:
            asking.insert = split_insert(bytes(head[:_HEAD_BYTES]))
            break
    if asking.insert is not None:
        # What was cut off behind the head of the text, beyond what was looked at for finding it.
        rest = bytes(head[_HEAD_BYTES:]) if len(head) > _HEAD_BYTES else b""
        inline = asking.insert.data + rest
        asking.body = _chained(inline + b"\n" if text and inline else inline, body)
        return
    async for part in body:
        head += part
        if len(head) > _MAX_STATEMENT_BYTES:
            raise Fault(QUERY_IS_TOO_LARGE, f"The query is longer than {_MAX_STATEMENT_BYTES} bytes")
    asking.text = bytes(head)


async def _read_form(request: web.Request) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return the values and the files of a multipart form."""
    values: dict[str, str] = {}
    files: dict[str, bytes] = {}
    total = 0
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise Fault(BAD_ARGUMENTS, "A part of the form has no name")
        data = bytes(await part.read(decode=True))
        total += len(data)
        if total > MAX_EXTERNAL_BYTES:
            raise Fault(QUERY_IS_TOO_LARGE, f"The external tables are larger than {MAX_EXTERNAL_BYTES} bytes")
        if part.filename is None:
            values[part.name] = data.decode("utf-8", "replace")
        else:
            files[part.name] = data
    return values, files


def _external(name: str, data: bytes, fields: dict[str, str]) -> External:
    structure = fields.get(f"{name}_structure", "")
    if not structure:
        types = fields.get(f"{name}_types", "")
        if not types:
            raise Fault(BAD_ARGUMENTS, f"External table {name}: neither {name}_structure nor {name}_types is given")
        structure = ", ".join(f"_{number} {kind}" for number, kind in enumerate(types.split(","), 1))
    return External(name, structure, fields.get(f"{name}_format", "TabSeparated"), data)


async def _decoded_body(request: web.Request) -> AsyncIterator[bytes]:
    decompressor = Decompressor(request.headers.get("Content-Encoding", ""))
    async for part in request.content.iter_any():
        if decoded := decompressor.feed(part):
            yield decoded
    decompressor.finish()


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for part in rest:
        yield part


async def _nothing() -> AsyncIterator[bytes]:
    for part in tuple[bytes, ...]():
        yield part
