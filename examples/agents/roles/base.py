"""What the roles have in common: with a model or without, and how a field of a request is read."""
import json
import re

from frames import Never
from model import ModelFailed


class Role:
    name = ""
    wants = ""    # a request, in words, for errors
    system = ""   # the model's system prompt

    def __init__(self, model=None):
        self.model = model

    def work(self, request, task):
        """The answer to a request as a dict. Raises Never for what can't be done."""
        self.check(request)
        if self.model is None:
            return {"mode": "offline", **self.offline(request, task)}
        return {"mode": "model", "model": self.model.name, **self.online(request, task)}

    def check(self, request):
        """Refuses what is wrong with the request before anybody works on it."""

    def offline(self, request, task):
        raise NotImplementedError

    def online(self, request, task):
        raise NotImplementedError

    def looks_like_json(self, text):
        """Whether text that begins with a brace, and is no JSON, was meant as JSON."""
        return True

    # ---- requests ----

    def field(self, request, name, kind, default=None, required=False):
        value = request.get(name)
        if value is None:
            if required:
                raise Never(f"{name} is missing; the {self.name} wants {self.wants}")
            return default
        wrong = isinstance(value, bool) and kind is not bool
        if wrong or not isinstance(value, kind):
            words = {str: "a text", list: "a list", dict: "an object", bool: "true or false", (int, float): "a number"}[kind]
            raise Never(f"{name} is not {words}")
        return value

    def text(self, request, name, default=None, required=False):
        value = self.field(request, name, str, default, required)
        if required and not value.strip():
            raise Never(f"{name} is empty; the {self.name} wants {self.wants}")
        return value

    # ---- the model ----

    def converse(self, question, use, task, rounds=2):
        """Asks, and hands the answer to use(text), whose ValueError is told to the model for another try."""
        messages = [{"role": "user", "content": question}]
        for left in range(rounds - 1, -1, -1):
            text = self.model.ask(self.system, messages, task)
            try:
                return use(text)
            except ValueError as e:
                if left == 0:
                    raise ModelFailed(f"the model's answer can't be used: {e}") from e
                messages += [{"role": "assistant", "content": text},
                             {"role": "user", "content": f"That can't be used: {e}. Answer again, complete, in the form asked for."}]
        raise AssertionError("unreachable")


def fenced(text, *languages):
    """The contents of fenced code blocks in one of the languages, in order."""
    blocks = re.findall(r"^[ \t]*```[ \t]*([A-Za-z0-9_+-]*)[^\n]*\n(.*?)^[ \t]*```", text, re.S | re.M)
    return [body for language, body in blocks if language.lower() in languages]


def json_in(text):
    """The JSON object of an answer, with or without a fence or words around it."""
    candidates = [*fenced(text, "json", ""), text]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start:end + 1])
    for candidate in candidates:
        try:
            value = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    raise ValueError("there is no JSON object in it")
