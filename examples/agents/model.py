"""The model behind a role: an HTTP endpoint in the style of OpenAI (/v1/chat/completions) or Anthropic (/v1/messages).

    MODEL_URL       http://127.0.0.1:11434 or https://api.example.com/v1 (the style's path is added); absent: offline
    MODEL_API       openai (default) or anthropic
    MODEL_NAME      the model to ask for
    MODEL_KEY_FILE  a file whose first line is the key; or MODEL_KEY, the key itself
    MODEL_TIMEOUT   seconds for one call (60); the task's own time counts too
    MODEL_RETRIES   calls beyond the first while a task lasts (2)
    MODEL_BACKOFF   seconds before the first of those, doubled each time (0.5)
    MODEL_MAX_TOKENS            longest answer (4096)
    MODEL_BREAKER_FAILURES      failures in a row that open the breaker (5; 0: never)
    MODEL_BREAKER_OPEN          seconds until it is tried again (30)

It goes well: ask() returns the answer's text. It fails: no connection, a timeout, 408, 409, 425, 429, 5xx: tried again, after
Retry-After where the server says so; when that is used up, a failed attempt. Such failures in a row open the breaker: then
nothing is sent, and the task goes back unspent until it is time for a probe. Other refusals (4xx) are the server's last
word: 400, 413 and 422 are about the request and final; the rest (a wrong key, an unknown model) may be mended meanwhile.
"""
import http.client
import json
import os
import re
import socket
import ssl
import time
from urllib.parse import urlsplit

from breaker import Breaker
from frames import Cancelled, Later, Never

ANSWER_MAX = 8 << 20
AGAIN = {408, 409, 425, 429}
FINAL = {400, 413, 422}


class ModelConfigError(Exception):
    pass


class ModelFailed(RuntimeError):
    """The model gave no usable answer; another attempt may."""


class _Again(Exception):
    def __init__(self, words, after_s=None):
        super().__init__(words)
        self.after_s = after_s


def _number(env, name, default, least):
    text = env.get(name, "")
    try:
        value = float(text) if text else float(default)
    except ValueError:
        value = -1.0
    if not least <= value <= 1e6:
        raise ModelConfigError(f"{name} is \"{text}\", not a number from {least} on")
    return value


class Model:
    def __init__(self, url, api="openai", name="", key="", timeout_s=60.0, retries=2, backoff_s=0.5, max_tokens=4096,
                 breaker=None, sleep=time.sleep):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ModelConfigError("MODEL_URL is not http://HOST[:PORT][/PATH] or https://… "
                                   "(no user, no query: the key goes into MODEL_KEY_FILE)")
        if api not in ("openai", "anthropic"):
            raise ModelConfigError(f"MODEL_API is \"{api}\", not openai or anthropic")
        self.parts, self.api, self.name, self.key = parts, api, name, key
        end = "/chat/completions" if api == "openai" else "/messages"
        path = parts.path.rstrip("/")
        self.path = path if path.endswith(end) else path + end if path.endswith("/v1") else path + "/v1" + end
        self.timeout_s, self.retries, self.backoff_s, self.max_tokens = timeout_s, int(retries), backoff_s, int(max_tokens)
        self.breaker = breaker or Breaker()
        self.sleep = sleep

    @classmethod
    def from_environment(cls, env=os.environ):
        """None: no MODEL_URL, the roles work offline."""
        url = env.get("MODEL_URL", "")
        if not url:
            return None
        key = env.get("MODEL_KEY", "")
        path = env.get("MODEL_KEY_FILE", "")
        if path:
            try:
                with open(path, encoding="utf-8") as f:
                    key = f.readline().strip()
            except (OSError, UnicodeDecodeError) as e:
                raise ModelConfigError(f"MODEL_KEY_FILE: {e}") from e
        if re.search(r"[^\x21-\x7e]", key):
            raise ModelConfigError("the key has characters that no header can hold")
        breaker = Breaker(int(_number(env, "MODEL_BREAKER_FAILURES", 5, 0)), _number(env, "MODEL_BREAKER_OPEN", 30, 0))
        return cls(url, env.get("MODEL_API", "") or "openai", env.get("MODEL_NAME", ""), key,
                   _number(env, "MODEL_TIMEOUT", 60, 0.01), _number(env, "MODEL_RETRIES", 2, 0),
                   _number(env, "MODEL_BACKOFF", 0.5, 0), _number(env, "MODEL_MAX_TOKENS", 4096, 1), breaker)

    # ---- the two styles ----

    def _request(self, system, messages):
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.api == "openai":
            if self.key:
                headers["Authorization"] = f"Bearer {self.key}"
            body = {"messages": [{"role": "system", "content": system}, *messages]}
        else:
            headers["anthropic-version"] = "2023-06-01"
            if self.key:
                headers["x-api-key"] = self.key
            body = {"system": system, "messages": messages}
        body |= {"model": self.name, "max_tokens": self.max_tokens}
        return headers, json.dumps(body).encode()

    def _text(self, data):
        try:
            answer = json.loads(data)
            if self.api == "openai":
                text = answer["choices"][0]["message"]["content"]
            else:
                text = "".join(part["text"] for part in answer["content"] if part.get("type") == "text")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as e:
            raise ModelFailed(f"the model's answer is not in the style of {self.api}: {type(e).__name__}: {e}") from e
        if not isinstance(text, str) or not text.strip():
            raise ModelFailed("the model's answer is empty")
        return text

    # ---- one call ----

    def _call(self, headers, body, timeout_s, task):
        """(status, headers, bytes). A task that is cancelled closes the connection."""
        kind = http.client.HTTPSConnection if self.parts.scheme == "https" else http.client.HTTPConnection
        conn = kind(self.parts.hostname, self.parts.port, timeout=timeout_s)

        def hang_up():
            sock = conn.sock
            if sock:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        task.on_cancel(hang_up)
        ends = time.monotonic() + timeout_s
        try:
            conn.request("POST", self.path, body, headers)
            response = conn.getresponse()
            data = b""
            while chunk := response.read1(65536):
                data += chunk
                if len(data) > ANSWER_MAX:
                    raise ModelFailed(f"the model's answer is longer than {ANSWER_MAX} bytes")
                if time.monotonic() > ends:
                    raise TimeoutError(f"not complete within {timeout_s:g} s")
            return response.status, response.headers, data
        finally:
            task.forget(hang_up)
            conn.close()

    @staticmethod
    def _after(headers):
        text = headers.get("Retry-After", "")
        return float(text) if re.fullmatch(r"\d{1,6}(\.\d+)?", text) else None

    def _once(self, headers, body, task):
        left = min(self.timeout_s, task.time_left())
        if left <= 0:
            raise ModelFailed("no time is left for the model")
        try:
            status, reply_headers, data = self._call(headers, body, left, task)
        except (OSError, http.client.HTTPException, ssl.SSLError) as e:
            if task.cancelled:
                raise Cancelled("it was called off") from e
            raise _Again(f"the model at {self.parts.hostname} can't be reached: {e or type(e).__name__}") from e
        words = f"the model answered {status}"
        if status in AGAIN or status >= 500:
            raise _Again(words, self._after(reply_headers))
        if status != 200:
            said = " ".join(data[:300].decode("utf-8", "replace").split())
            raise (Never if status in FINAL else ModelFailed)(f"{words}: {said}")
        return self._text(data)

    def ask(self, system, messages, task):
        """The answer to messages ([{"role": "user", "content": …}, …]) as text. Raises Never, Later, ModelFailed, Cancelled."""
        headers, body = self._request(system, messages)
        pause = self.backoff_s
        for attempt in range(self.retries + 1):
            task.check()
            wait = self.breaker.admit()
            if wait > 0:
                raise Later(f"the model at {self.parts.hostname} fails, and is left alone for a while (breaker)", wait)
            well = None
            try:
                text = self._once(headers, body, task)
                well = True
                return text
            except _Again as e:
                well = False
                again = e
            except (Never, ModelFailed):
                well = True  # it is there, and answers
                raise
            finally:
                self.breaker.told(well)
            after = max(again.after_s or 0, pause)
            if attempt == self.retries or after >= task.time_left():
                break
            self.sleep(after)
            pause *= 2
        wait = again.after_s
        if wait:
            raise Later(str(again), wait)
        raise ModelFailed(str(again))
