"""The failures of requests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

COMMIT = "x-headwater-commit"


class HeadwaterError(Exception):
    """Any failure of a request."""

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later."""
        return False

    @property
    def retry_after(self) -> float:
        """The seconds after which the server wants to be asked again."""
        return 0.0


@dataclass(frozen=True)
class ProblemDetail:
    """One of several errors of a request."""

    detail: str
    parameter: str | None
    """The parameter in question."""
    pointer: str | None
    """A JSON Pointer into the record."""


class RefusedError(HeadwaterError):
    """The server refused the request and said why (RFC 9457)."""

    def __init__(self, response: httpx.Response) -> None:
        problem = _problem(response)
        self.status: int = response.status_code
        self.code: str = str(problem["code"])
        """The stable name of the error, such as `not_found` or `precondition_failed`."""
        self.title: str = str(problem["title"])
        """The fixed text of the code."""
        self.detail: str | None = problem.get("detail")
        """What is wrong with this request."""
        self.trace_id: str = str(problem.get("traceId", ""))
        """Finds the request in the log of the server."""
        self.errors: tuple[ProblemDetail, ...] = tuple(
            ProblemDetail(error.get("detail", ""), error.get("parameter"), error.get("pointer"))
            for error in problem.get("errors", ())
        )
        self.commit: str | None = response.headers.get(COMMIT)
        """The commit that was served; None if the answer names none."""
        self._retry_after = _seconds(response.headers.get("retry-after"))
        super().__init__(self.detail or self.title)

    @property
    def passes(self) -> bool:
        return self.status >= 500 or self.status == 429

    @property
    def retry_after(self) -> float:
        return self._retry_after


class TransportError(HeadwaterError):
    """There was no answer, or it broke off, or it did not come from Headwater."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        """The status of an answer that did not come from Headwater; None without an answer."""
        super().__init__(message)

    @property
    def passes(self) -> bool:
        return self.status is None or self.status >= 500 or self.status == 429


def refusal(response: httpx.Response) -> HeadwaterError:
    """Returns the error of an answer that is not 2xx and has been read."""
    kind = response.headers.get("content-type", "")
    if not kind.startswith("application/problem+json"):
        status = response.status_code
        return TransportError(f"the answer {status} is not Headwater's", status)
    try:
        return RefusedError(response)
    except (ValueError, KeyError) as error:
        return TransportError(f"no whole answer: {error}")


def _problem(response: httpx.Response) -> dict[str, Any]:
    problem = json.loads(response.content)
    if not isinstance(problem, dict):
        raise ValueError("a problem is an object")
    return problem


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() else 0.0
