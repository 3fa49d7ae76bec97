"""One question to an OpenAI-compatible chat service over HTTP, with the standard library."""

import ipaddress
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from workbench.errors import BadInput, WorkbenchError

LARGEST_ANSWER = 1 << 20
"""Bytes of a reply; what is longer is no order of documents."""
ANSWER_TOKENS = 4096
"""Most tokens that the service may write: thinking models think first."""
SHOWN = 200
"""Characters of an error's body that are shown."""


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, with what key variable, and how many seconds to wait for an answer."""

    address: str
    model: str
    key_variable: str
    timeout: float

    def ask(self, system: str, prompt: str) -> str:
        """The model's answer. Raises `WorkbenchError` with a sentence that names the address where there is none."""
        request = urllib.request.Request(  # noqa: S310 — the scheme was checked by `chat_address`
            self.address,
            data=json.dumps(
                {
                    "model": self.model,
                    "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
                    "temperature": 0,
                    "max_tokens": ANSWER_TOKENS,
                    "stream": False,
                }
            ).encode("utf-8", "replace"),
            headers={"Content-Type": "application/json", "Accept": "application/json", **self._key()},
        )
        return chosen_text(self._fetched(request), self.address)

    def _key(self) -> dict[str, str]:
        """The header with the key, read now and kept nowhere. Raises `BadInput` where the variable has none."""
        if not self.key_variable:
            return {}
        key = os.environ.get(self.key_variable, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            raise BadInput(
                f"The environment variable {self.key_variable} holds no key for {self.address}.",
                "Set it before the workbench is started, or leave key_variable empty.",
            )
        return {"Authorization": f"Bearer {key}"}

    def _fetched(self, request: urllib.request.Request) -> bytes:
        until = time.monotonic() + self.timeout
        try:
            with opener(self.address).open(request, timeout=self.timeout) as reply:
                return read_all(reply, until)
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from error
        except TimeoutError as error:
            raise self._too_slow() from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._too_slow() from error
            reason = getattr(error.reason, "strerror", None) or error.reason
            raise WorkbenchError(
                f"The endpoint {self.address} cannot be reached: {reason}.",
                "Check that the service runs and that the address is right.",
            ) from error
        except (OSError, HTTPException) as error:
            raise WorkbenchError(
                f"The endpoint {self.address} broke the connection off: {type(error).__name__}.", "Try again."
            ) from error

    def _refusal(self, error: urllib.error.HTTPError) -> WorkbenchError:
        try:
            body = error.read(4 * SHOWN).decode("utf-8", "replace")
        except (OSError, HTTPException):
            body = ""
        told = " ".join(body.split())[:SHOWN]
        hints = {401: "Check the key.", 403: "Check the key.", 404: "Check the address and the model's name."}
        hint = "Redirects are not followed: give the final address." if 300 <= error.code < 400 else ""
        return WorkbenchError(
            f"The endpoint {self.address} answered with status {error.code}{f': {told}' if told else ''}.",
            hint or hints.get(error.code, "Try again later, or look at the service's own log."),
        )

    def _too_slow(self) -> WorkbenchError:
        return WorkbenchError(
            f"The endpoint {self.address} gave no answer in {self.timeout:g} seconds.",
            "Raise the timeout, make the window smaller, or choose a faster model.",
        )


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *args: Any, **named: Any) -> None:
        return None


def opener(address: str) -> urllib.request.OpenerDirector:
    """What opens `address`; this machine's own services are never asked through a proxy."""
    host = urllib.parse.urlsplit(address).hostname or ""
    handlers: list[urllib.request.BaseHandler] = [NoRedirects()]
    if host == "localhost" or is_loopback(host):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_all(reply: Any, until: float) -> bytes:
    """The body, at most `LARGEST_ANSWER` bytes, read until `until`. Raises `TimeoutError`, or `WorkbenchError`."""
    body = b""
    while part := reply.read1(65536):
        body += part
        if len(body) > LARGEST_ANSWER:
            raise WorkbenchError(
                f"The endpoint {reply.url} answered with more than {LARGEST_ANSWER >> 20} MB.",
                "That is no order of documents: check the address.",
            )
        # The socket's own timeout starts again with each byte that drips in.
        if time.monotonic() > until:
            raise TimeoutError
    return body


def chosen_text(body: bytes, address: str) -> str:
    """`choices[0].message.content` of a reply. Raises `WorkbenchError` where it is something else."""
    hint = "Check that the address is that of an OpenAI-compatible service."
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WorkbenchError(f"The endpoint {address} answered with something that is not JSON.", hint) from error
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices:
        raise WorkbenchError(f"The endpoint {address} answered without choices.", hint)
    message = choices[0].get("message") if isinstance(choices[0], dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise WorkbenchError(f"The endpoint {address} answered without a text.", hint)
    return text


def chat_address(base: str) -> str:
    """The address to post to, for a base like http://localhost:8000/v1. Raises `BadInput` where it is none."""
    try:
        parts = urllib.parse.urlsplit(base.strip())
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or any(letter.isspace() for letter in base.strip()):
        raise BadInput(f"The endpoint “{base}” is no address.", "Give one like http://localhost:8000/v1.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadInput(
            "An endpoint's address holds no name, password or question: it is kept and shown.",
            "Put the key into an environment variable and name that as key_variable.",
        )
    path = parts.path.rstrip("/")
    path += "" if path.endswith("/chat/completions") else "/chat/completions"
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, "", ""))
