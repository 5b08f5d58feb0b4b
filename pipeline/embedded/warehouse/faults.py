"""
Faults as ClickHouse tells them: a code, a text, and the HTTP status that belongs to the code.

Every answer other than 200 comes from here, so that clients which know ClickHouse know these too.
"""

import re

BAD_ARGUMENTS = 36
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
UNKNOWN_DATABASE = 81
UNKNOWN_COMPRESSION_METHOD = 89
INCORRECT_DATA = 117
READONLY = 164
REQUIRED_PASSWORD = 194
TOO_MANY_SIMULTANEOUS_QUERIES = 202
QUERY_IS_TOO_LARGE = 229
ACCESS_DENIED = 497
UNKNOWN_DATABASE_ENGINE = 336
AUTHENTICATION_FAILED = 516
UNKNOWN_EXCEPTION = 1002

_NAMES = {
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    UNKNOWN_COMPRESSION_METHOD: "UNKNOWN_COMPRESSION_METHOD",
    INCORRECT_DATA: "INCORRECT_DATA",
    READONLY: "READONLY",
    REQUIRED_PASSWORD: "REQUIRED_PASSWORD",
    TOO_MANY_SIMULTANEOUS_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
}

# ClickHouse's own table (its exceptionCodeToHTTPStatus); every code that is not here answers 500.
_CODES_BY_STATUS = {
    400: (6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676),
    401: (194,),
    403: (192, 193, 497, 512, 516),
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    408: (159,),
    411: (381,),
    413: (229,),
    415: (779,),
    501: (48,),
    503: (76, 209, 439),
}
_STATUS = {code: status for status, codes in _CODES_BY_STATUS.items() for code in codes}
_CODE = re.compile(r"Code: (\d+)\.")


class Fault(Exception):  # noqa: N818 - ClickHouse's fault, told to the client
    """A request that cannot be answered with 200: ClickHouse's code and the text for the client."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        told = _CODE.match(message) is not None
        self.text = message if told else f"Code: {code}. DB::Exception: {message}. ({_NAMES.get(code, 'UNKNOWN')})"
        super().__init__(self.text)

    @property
    def status(self) -> int:
        """The HTTP status of this code."""
        return _STATUS.get(self.code, 500)

    @classmethod
    def of_engine(cls, error: Exception) -> "Fault":
        """Translate what chDB raised."""
        text = str(error)
        found = _CODE.search(text)
        return cls(int(found[1]), text[found.start() :].rstrip()) if found else cls(UNKNOWN_EXCEPTION, text)
