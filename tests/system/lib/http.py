"""HTTP as a test speaks it: one request a connection, nothing hidden, every status an answer."""
import http.client
import json as json_text
import socket
import time
from typing import NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage  # looked up without case: headers["retry-after"]
    body: bytes

    def json(self):
        return json_text.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


class Event(NamedTuple):
    name: str
    id: str
    data: object  # JSON


class Http:
    def __init__(self, base, token=None, timeout=30):
        """base: system.http. token: a bearer token for every request."""
        self.base, self.token, self.timeout = urlsplit(base), token, timeout

    def connect(self, timeout=None):
        """A connection (http.client) for what is special: one that is kept, sent in parts, or broken."""
        return http.client.HTTPConnection(self.base.hostname, self.base.port, timeout=timeout or self.timeout)

    def raw(self, data, timeout=10):
        """Bytes as they are, and all that comes back until the other side closes (or nothing comes for the timeout)."""
        answer = b""
        with socket.create_connection((self.base.hostname, self.base.port), timeout) as s:
            try:
                s.sendall(data)
                while more := s.recv(65536):
                    answer += more
            except (TimeoutError, ConnectionError):
                pass
        return answer

    def request(self, method, path, json=None, headers=None, body=None, timeout=None):
        """json: any value; body: bytes, or an iterable of bytes (sent in chunks). A refused connection is a ConnectionError."""
        connection, headers = self.connect(timeout), self._headers(headers)
        if json is not None:
            body = json_text.dumps(json).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except http.client.RemoteDisconnected as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, json=None, **more):
        return self.request("POST", path, json, **more)

    def put(self, path, json=None, **more):
        return self.request("PUT", path, json, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def events(self, path="/events", headers=None, timeout=30):
        """The events of a stream as they come; ends with the stream, or by TimeoutError when all of them took longer."""
        end = time.monotonic() + timeout
        connection = self.connect(timeout)
        try:
            connection.request("GET", path, headers=self._headers({"Accept": "text/event-stream", **(headers or {})}))
            answer = connection.getresponse()
            assert answer.status == 200, Answer(answer.status, answer.headers, answer.read())
            fields = {}
            while line := answer.readline():
                if time.monotonic() > end:
                    raise TimeoutError(f"{path}: {timeout} s are over")
                name, _, value = line.decode().rstrip("\r\n").partition(":")
                value = value.removeprefix(" ")
                if name:
                    fields[name] = f"{fields[name]}\n{value}" if name == "data" and "data" in fields else value
                elif line.strip() == b"" and "data" in fields:
                    yield Event(fields.get("event", "message"), fields.get("id", ""), json_text.loads(fields["data"]))
                    fields = {}
        finally:
            connection.close()

    def _headers(self, more):
        return {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **(more or {})}
