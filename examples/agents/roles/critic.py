"""The critic: code in, a verdict with findings and a score out.

The static checks run always: what can't be parsed, undefined safety (eval, bare except, mutable defaults), complexity,
length, names that are never used, words like TODO. A model adds what only reading shows; it can make the verdict worse, never
better than the checks do.
"""
import ast
import re

from frames import Never
from roles.base import Role, json_in

COST = {"error": 40, "warning": 10, "note": 2}
COMPLEX = 10
LONG_FUNCTION = 60
LONG_LINE = 120
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension, ast.Assert, ast.match_case)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def complexity(function):
    """McCabe's: 1, and one for each place where the way may part. Inner functions count for themselves."""
    total, todo = 1, list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop()
        if isinstance(node, FUNCTIONS):
            continue
        total += isinstance(node, BRANCHES)
        total += len(node.values) - 1 if isinstance(node, ast.BoolOp) else 0
        todo.extend(ast.iter_child_nodes(node))
    return total


def _unused(tree):
    """(line, name, what) of imports and of local names that are never read."""
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)}
    read |= {word for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
             for word in re.findall(r"\w+", n.value)}  # __all__, annotations in quotes
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and getattr(node, "module", "") != "__future__":
            for alias in node.names:
                name = (alias.asname or alias.name).split(".")[0]
                if name != "*" and name not in read:
                    yield node.lineno, name, "import"
        if isinstance(node, FUNCTIONS):
            inner = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)}
            shared = {name for n in ast.walk(node) if isinstance(n, (ast.Global, ast.Nonlocal)) for name in n.names}
            seen = set()
            for n in ast.walk(node):
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id not in inner | shared | seen and n.id[0] != "_":
                    seen.add(n.id)
                    yield n.lineno, n.id, "name"


def _function_findings(node):
    paths = complexity(node)
    if paths > COMPLEX:
        yield node.lineno, "warning", "complexity", f"{node.name} has a complexity of {paths}, over {COMPLEX}: split it"
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if length > LONG_FUNCTION:
        yield node.lineno, "note", "length", f"{node.name} has {length} lines, over {LONG_FUNCTION}"
    for default in [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]:
        if isinstance(default, (ast.List, ast.Dict, ast.Set)):
            yield default.lineno, "warning", "mutable-default", f"{node.name} has a default that all its calls share"


def _node_findings(node):
    if isinstance(node, FUNCTIONS):
        yield from _function_findings(node)
    elif isinstance(node, ast.ExceptHandler) and node.type is None:
        yield node.lineno, "warning", "bare-except", "a bare except also catches KeyboardInterrupt and typing errors"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
        yield node.lineno, "error", "eval", f"{node.func.id}() runs whatever its text says"
    elif isinstance(node, ast.Call) and any(k.arg == "shell" and isinstance(k.value, ast.Constant) and k.value.value is True
                                            for k in node.keywords):
        yield node.lineno, "error", "shell", "shell=True runs whatever the text says"
    elif isinstance(node, ast.Compare) and any(isinstance(c, ast.Constant) and c.value is None for c in node.comparators) \
            and any(isinstance(o, (ast.Eq, ast.NotEq)) for o in node.ops):
        yield node.lineno, "note", "none", "compare with None by is"


def findings_of(code):
    """All findings of the static checks, by line, and the measures."""
    found = []
    measures = {"lines": len(code.splitlines()), "functions": 0, "max_complexity": 0}
    for number, line in enumerate(code.splitlines(), 1):
        if m := re.search(r"#.*\b(TODO|FIXME|XXX|HACK)\b", line):
            found.append((number, "note", "todo", f"{m[1]}: something is left to be done"))
        if len(line) > LONG_LINE:
            found.append((number, "note", "line", f"{len(line)} characters, over {LONG_LINE}"))
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        found.append((getattr(e, "lineno", None) or 1, "error", "syntax", f"it is no Python: {getattr(e, 'msg', None) or e}"))
        tree = None
    if tree is not None:
        functions = [n for n in ast.walk(tree) if isinstance(n, FUNCTIONS)]
        measures["functions"] = len(functions)
        measures["max_complexity"] = max(map(complexity, functions), default=0)
        for node in ast.walk(tree):
            found += _node_findings(node)
        found += [(line, "warning" if what == "import" else "note", "unused", f"{what} {name} is never used")
                  for line, name, what in _unused(tree)]
    found.sort()
    return [dict(zip(("line", "level", "rule", "message"), f)) for f in found], measures


def judge(findings):
    """(verdict, score): an error is a rejection, a warning asks for changes."""
    score = max(100 - sum(COST[f["level"]] for f in findings), 0)
    levels = {f["level"] for f in findings}
    verdict = "reject" if "error" in levels else "changes" if "warning" in levels or score < 80 else "approve"
    return verdict, score


class Critic(Role):
    name = "critic"
    wants = "{\"code\": \"Python\", \"description\": \"what it is for\"}, or the code alone"
    system = (
        "You are a critic: you judge the quality of code that others wrote. Look for what static checks can't see: wrong results, "
        "missing cases, unclear names, unsafe input, races, tests that can't fail. Be exact and brief, quote line numbers, praise "
        "nothing. Findings that a static checker made are given to you: don't repeat them. Levels: error (wrong or unsafe), warning "
        "(should be changed), note. Answer with one JSON object and nothing else: {\"summary\": \"…\", \"findings\": [{\"line\": 3, "
        "\"level\": \"error\", \"message\": \"…\"}]}")

    def looks_like_json(self, text):
        return False  # a set or dict literal is Python, too

    def check(self, request):
        self.text(request, "code")
        if not (request.get("code") or request.get("description") or "").strip():
            raise Never(f"code is missing; the critic wants {self.wants}")
        self.field(request, "description", str, "")

    def code_of(self, request):
        return request["code"] if request.get("code") else request["description"]

    def offline(self, request, task):
        found, measures = findings_of(self.code_of(request))
        verdict, score = judge(found)
        worst = next((f["message"] for level in COST for f in found if f["level"] == level), "nothing to object to")
        return {"verdict": verdict, "score": score, "findings": found, "measures": measures, "summary": worst}

    def online(self, request, task):
        code = self.code_of(request)
        found, measures = findings_of(code)

        def use(text):
            answer = json_in(text)
            more = answer.get("findings")
            if not isinstance(more, list):
                raise ValueError("\"findings\" is a list")
            added = []
            for f in more:
                if not isinstance(f, dict) or f.get("level") not in COST or not isinstance(f.get("message"), str):
                    raise ValueError("each finding has a \"level\" (error, warning, note) and a \"message\"")
                line = f.get("line")
                added.append({"line": line if isinstance(line, int) else 0, "level": f["level"], "rule": "model", "message": f["message"]})
            whole = sorted(found + added, key=lambda f: f["line"])
            verdict, score = judge(whole)
            return {"verdict": verdict, "score": score, "findings": whole, "measures": measures,
                    "summary": str(answer.get("summary", ""))}
        numbered = "\n".join(f"{n:4} {line}" for n, line in enumerate(code.splitlines(), 1))
        known = "\n".join(f"line {f['line']}: {f['message']}" for f in found) or "none"
        purpose = request.get("description", "") if request.get("code") else ""
        return self.converse(f"Purpose: {purpose or 'not told'}\n\nStatic findings:\n{known}\n\nCode:\n{numbered}", use, task)
