"""
Confluent's registry API over HTTP: the three calls that we need, and what each answer means.

The rule it owns: an answer is believed only if it is what the API promises. No answer, an error of the server and
garbage are all the same to the caller: the registry cannot be asked now, try again. Only "there is no such id" and
"this schema is not compatible" are answers.
"""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pipeline.config_registry import RegistrySettings

_NOT_FOUND = frozenset({40401, 40402, 40403})
_LARGEST_ANSWER = 4_194_304
_TYPE = "application/vnd.schemaregistry.v1+json"


class RegistryUnavailable(Exception):  # noqa: N818 - the state, as its siblings
    """The registry cannot be asked now, or does not answer as one; try again later."""


class RegistryRefused(Exception):  # noqa: N818 - the state, as its siblings
    """The registry does not take what was asked of it: not compatible, not allowed, or not there."""


class RegistryClient:
    """Asks one registry; holds no state, safe for several threads."""

    def __init__(self, settings: RegistrySettings) -> None:
        parts = urlsplit(settings.url.get_secret_value())
        place = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
        self.url = urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
        self._timeout_s = settings.timeout.total_seconds()
        self._headers = {"Accept": _TYPE, "Content-Type": _TYPE}
        if parts.username:
            credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()

    def schema_of(self, schema_id: int) -> dict[str, Any] | None:
        """
        Return the schema with this id, None where the registry knows none.

        Raises:
            RegistryUnavailable: If it cannot be asked, or answers anything but an Avro schema.
        """
        answer = self._ask("GET", f"/schemas/ids/{schema_id}")
        if answer is None:
            return None
        if answer.get("schemaType", "AVRO") != "AVRO":
            raise RegistryUnavailable(f"{self.url}: id {schema_id} is no Avro schema but {answer.get('schemaType')!r}")
        try:
            schema = json.loads(answer["schema"])
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise RegistryUnavailable(f"{self.url}: the answer for id {schema_id} holds no schema") from error
        if not isinstance(schema, dict):
            raise RegistryUnavailable(f"{self.url}: the schema of id {schema_id} is no record")
        return schema

    def id_of(self, subject: str, schema: Mapping[str, Any]) -> int | None:
        """
        Return the id that a schema has under a subject, None where it has none.

        Raises:
            RegistryUnavailable: If it cannot be asked.
            RegistryRefused: If it does not want to be asked.
        """
        answer = self._ask("POST", f"/subjects/{quote(subject, safe='')}", {"schema": json.dumps(dict(schema))})
        return None if answer is None else self._id_in(answer)

    def register(self, subject: str, schema: Mapping[str, Any]) -> int:
        """
        Register a schema under a subject, if it is not; returns its id.

        Raises:
            RegistryUnavailable: If it cannot be asked.
            RegistryRefused: If the schema is not compatible with earlier ones, or we may not.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer = self._ask("POST", path, {"schema": json.dumps(dict(schema))})
        if answer is None:
            raise RegistryRefused(f"{self.url}: does not take schemas of {subject}")
        return self._id_in(answer)

    def demand(self, subject: str, compatibility: str = "FULL_TRANSITIVE") -> None:
        """
        Set what the registry checks before it takes another schema of a subject.

        Raises:
            RegistryUnavailable: If it cannot be asked.
            RegistryRefused: If it does not do that.
        """
        self._ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": compatibility})

    def _id_in(self, answer: Mapping[str, Any]) -> int:
        found = answer.get("id")
        if type(found) is not int:
            raise RegistryUnavailable(f"{self.url}: the answer holds no id")
        return found

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """Return the object that was answered, None for "there is none"."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=self._headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                return self._object(answer.read(_LARGEST_ANSWER))
        except urllib.error.HTTPError as error:
            self._raise_unless_absent(error, path)
            return None
        except (OSError, HTTPException) as error:
            raise RegistryUnavailable(f"{self.url}: {getattr(error, 'reason', error)}") from error

    def _object(self, text: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RegistryUnavailable(f"{self.url}: answers something that is no JSON") from error
        if not isinstance(answer, dict):
            raise RegistryUnavailable(f"{self.url}: answers something that is no object")
        return answer

    def _raise_unless_absent(self, error: urllib.error.HTTPError, path: str) -> None:
        with error:
            text = error.read(_LARGEST_ANSWER)
        if error.code in (408, 429) or error.code >= 500:
            raise RegistryUnavailable(f"{self.url}: {error.code} {error.reason}") from error
        # A proxy in its place may say 404 too: only the registry's own code means that there is none.
        said = self._object(text)
        if error.code == 404:
            if said.get("error_code") in _NOT_FOUND:
                return
            raise RegistryUnavailable(f"{self.url}: nothing of a registry is at {path}") from error
        raise RegistryRefused(f"{self.url}: {error.code}: {said.get('message', error.reason)}") from error
