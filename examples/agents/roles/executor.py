"""The executor: runs a command or Python code in a limited subprocess, and tells how that went.

That a program fails is a result like any other (exit_code); with "check": true it fails the task. Commands are argv, never a
shell, and only those that EXECUTOR_COMMANDS allows (comma-separated names, * for any). With a model a description in words becomes Python
code first; the code that ran is in the answer.
"""
import ast
import os

import sandbox
from frames import Never
from roles.base import Role, fenced

COMMANDS = "cat,cut,date,diff,echo,false,grep,head,ls,python3,sha256sum,sort,tail,tr,true,uname,uniq,wc"
TIMEOUT_S = 60
TIMEOUT_MAX_S = 3600


class Executor(Role):
    name = "executor"
    wants = "{\"command\": [\"wc\", \"-l\"], \"stdin\": \"…\"} or {\"code\": \"print(1)\"}, or Python code alone"
    system = (
        "You are an executor: you carry out tasks on one machine by writing a short Python 3 program, which is then run as it is, "
        "once, with nobody watching, in an empty directory, with the standard library alone, and without a network. Print the "
        "result, and nothing else, to standard output. Exit with a code other than 0, and say why on standard error, where the "
        "task can't be done. Never ask back. Answer with one fenced block of Python and nothing else.")

    def looks_like_json(self, text):
        return not _is_python(text)

    def check(self, request):
        command = self.field(request, "command", list)
        code = self.text(request, "code")
        self.text(request, "description")
        self.text(request, "stdin")
        self.field(request, "check", bool)
        timeout = self.field(request, "timeout_s", (int, float), TIMEOUT_S)
        if not 0 < timeout <= TIMEOUT_MAX_S:
            raise Never(f"timeout_s is {timeout}, not from 0 to {TIMEOUT_MAX_S}")
        for name, text in self.field(request, "files", dict, {}).items():
            if not isinstance(text, str) or not name or name.startswith("/") or ".." in name.split("/") or "\0" in name:
                raise Never(f"files: \"{name}\" is not a path below the directory with a text")
        if command is not None and code is not None:
            raise Never("command and code are there both; one is to be run")
        if command is not None:
            self.check_command(command)

    def check_command(self, command):
        if not command or not all(isinstance(a, str) and "\0" not in a for a in command) or not command[0]:
            raise Never("command is a list of texts, the program first")
        allowed = [c.strip() for c in os.environ.get("EXECUTOR_COMMANDS", COMMANDS).split(",")]
        if "*" not in allowed and command[0] not in allowed:
            raise Never(f"{command[0]} is none of the commands that are allowed here (EXECUTOR_COMMANDS): {', '.join(allowed)}")

    def run(self, request, task, argv=None, code=None):
        timeout_s = min(request.get("timeout_s", TIMEOUT_S), max(task.time_left() - 1, 0.1))
        stdin, files = request.get("stdin") or "", request.get("files") or {}
        try:
            if argv:
                result = sandbox.run(argv, task, timeout_s, stdin, files)
            else:
                result = sandbox.run_python(code, task, timeout_s, stdin, files)
        except FileNotFoundError as e:
            raise Never(str(e)) from e
        task.check()
        if request.get("check") and result["exit_code"] != 0:
            last = (result["stderr"].strip().splitlines() or ["nothing on stderr"])[-1]
            how = f"took longer than {timeout_s:g} s" if result["timed_out"] else f"ended with exit code {result['exit_code']}"
            raise RuntimeError(f"{argv[0] if argv else 'the code'} {how}: {last}")
        return {"ran": argv or "python", **result}

    def offline(self, request, task):
        if request.get("command"):
            return self.run(request, task, argv=request["command"])
        code = request.get("code") or request.get("description")
        if not code:
            raise Never(f"there is nothing to run; the executor wants {self.wants}")
        if not request.get("code") and not _is_python(code):
            raise Never(f"the description is no Python, and without a model (MODEL_URL) the executor wants {self.wants}")
        return self.run(request, task, code=code)

    def online(self, request, task):
        if request.get("command") or request.get("code") or _is_python(request.get("description", "x x")):
            return self.offline(request, task)

        def use(text):
            blocks = fenced(text, "python", "py", "")
            if not blocks:
                raise ValueError("there is no fenced block of Python in it")
            if not _is_python(blocks[0]):
                raise ValueError("the block is no Python")
            return blocks[0]
        code = self.converse(request["description"], use, task)
        return {"code": code, **self.run(request, task, code=code)}


def _is_python(text):
    """A program, not a word or a sentence that happens to parse."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    plain = (ast.Name, ast.Constant, ast.Tuple, ast.Compare, ast.Attribute)
    return any(not (isinstance(n, ast.Expr) and isinstance(n.value, plain)) for n in tree.body)
