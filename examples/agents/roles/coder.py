"""The coder: a specification becomes a Python function and a test for it, and the test is run before they are handed over.

Offline the function is found (synthesis.py): by examples, or by the words of the description. With a model it is written by the model;
what its own test or the request's examples refute goes back to it once, with what was said. "verified" tells that the test passed.
"""
import ast
import builtins
import keyword
import re

import sandbox
from frames import Never
from model import ModelFailed
from roles import synthesis
from roles.base import Role, fenced

TEST_TIMEOUT_S = 20
EXAMPLES_MAX = 100


def test_source(module, name, examples):
    cases = "".join(f"    ({tuple(args)!r}, {result!r}),\n" for args, result in examples)
    return (f"from {module} import {name}\n\nCASES = [\n{cases}]\n\nfor args, expected in CASES:\n    got = {name}(*args)\n"
            f"    assert got == expected, f\"{name}{{args!r}} is {{got!r}}, not {{expected!r}}\"\nprint(f\"{{len(CASES)}} passed\")\n")


class Coder(Role):
    name = "coder"
    wants = ("{\"description\": \"…\", \"name\": \"add\", \"parameters\": [\"a\", \"b\"], \"examples\": [{\"args\": [1, 2], \"result\": 3}]} "
             "(all but the description may be left out), or the description alone")
    system = (
        "You are a coder. You write one Python 3 function to a specification, complete and ready to run, with the standard library "
        "alone: no placeholders, no input and output, errors as exceptions. Then you write a test for it: a script that imports the "
        "function from the module solution, checks ordinary cases, edges and errors by assert, and ends quietly when all is well. "
        "Answer with exactly two fenced blocks of Python, first the function, second the test, and nothing else.")

    def check(self, request):
        self.text(request, "description", "")
        name = self.text(request, "name")
        parameters = self.field(request, "parameters", list, [])
        examples = self.field(request, "examples", list, [])
        language = (self.text(request, "language") or "python").lower()
        if language not in ("python", "python3"):
            raise Never(f"language is {language}; this coder writes Python")
        if not (request.get("description") or "").strip() and not examples:
            raise Never(f"description is missing; the coder wants {self.wants}")
        for word in [*([name] if name else []), *parameters]:
            if not isinstance(word, str) or not word.isidentifier() or keyword.iskeyword(word) or hasattr(builtins, word):
                raise Never(f"\"{word}\" is no name for a function or parameter of its own")
        if len(set(parameters)) != len(parameters):
            raise Never("two parameters have one name")
        if len(examples) > EXAMPLES_MAX:
            raise Never(f"{len(examples)} examples, {EXAMPLES_MAX} is the most")
        for e in examples:
            if not isinstance(e, dict) or not isinstance(e.get("args"), list) or "result" not in e:
                raise Never("an example is {\"args\": […], \"result\": …}")
            if len(e["args"]) != len(examples[0]["args"]) or parameters and len(e["args"]) != len(parameters):
                raise Never("the examples don't agree in how many arguments there are")

    @staticmethod
    def examples_of(request):
        return [(e["args"], e["result"]) for e in request.get("examples") or []]

    @staticmethod
    def verify(name, code, test, task):
        """(passed, what was said)"""
        result = sandbox.run_python(test, task, min(TEST_TIMEOUT_S, max(task.time_left() - 1, 0.1)), files={f"{name}.py": code})
        task.check()
        said = (result["stdout"] if result["exit_code"] == 0 else result["stderr"]).strip()
        return result["exit_code"] == 0, "took too long" if result["timed_out"] else said[-2000:]

    def answer(self, name, code, tests, said, verified):
        return {"language": "python", "name": name, "code": code, "test": tests, "verified": verified, "test_output": said,
                "files": {f"{name}.py": code, f"test_{name}.py": tests}}

    def offline(self, request, task):
        description, parameters, examples = request.get("description") or "", request.get("parameters") or [], self.examples_of(request)
        if not synthesis.cheap(examples):
            raise Never("without a model (MODEL_URL) the examples' numbers may be 10,000 at most: candidates are tried with them")
        entry = synthesis.find(description, parameters, examples)
        if entry is None:
            known = ", ".join(e[0] for e in synthesis.CATALOGUE)
            raise Never("without a model (MODEL_URL) the coder knows no function for that"
                        + (" which does what the examples show" if examples else "; give examples, or ask for one of: " + known))
        name = request.get("name") or entry[0]
        code = synthesis.source(entry, name, synthesis.parameters_for(entry, parameters), description)
        test = test_source(name, name, examples or [entry[4]])
        verified, said = self.verify(name, code, test, task)
        if not verified:
            raise RuntimeError(f"the test of {name} failed: {said}")
        return self.answer(name, code, test, said, verified)

    def online(self, request, task):
        examples = self.examples_of(request)
        question = (request.get("description") or "A function that does what the examples show.") + "\n"
        if request.get("name"):
            question += f"\nThe function is called {request['name']}."
        if request.get("parameters"):
            question += f"\nIts parameters are {', '.join(request['parameters'])}."
        question += "".join(f"\nWith the arguments {args!r} the result is {result!r}." for args, result in examples)

        def use(text):
            name, code, test = self.parts(text, request.get("name"))
            both = test + ("\n\n" + test_source("solution", name, examples) if examples else "")
            verified, said = self.verify("solution", code, both, task)
            if not verified:
                raise ValueError(f"the test fails:\n{said}")
            whole = self.answer(name, code, re.sub(r"\bsolution\b", name, both), said, verified)
            return whole
        try:
            return self.converse(question, use, task)
        except ModelFailed as e:
            raise ModelFailed(f"no code that passes its test: {e}") from e

    @staticmethod
    def parts(text, name):
        blocks = fenced(text, "python", "py")
        if len(blocks) != 2:
            raise ValueError(f"there are {len(blocks)} fenced blocks of Python, not two: the function and its test")
        for what, block in zip(("function", "test"), blocks):
            try:
                tree = ast.parse(block)
            except SyntaxError as e:
                raise ValueError(f"the {what} is no Python: line {e.lineno}: {e.msg}") from e
            if what == "function":
                defined = [n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
        if not defined or name and name not in defined:
            raise ValueError(f"there is no function {name or 'at all'} in it")
        return name or defined[-1], blocks[0], blocks[1]
