"""The architect: a description becomes a plan, steps for the other roles that depend on each other.

Offline the description is taken apart: each line of a list, or each sentence and "then", is a step; its verbs tell the role;
order words and the nature of the work tell what depends on what. With a model the plan is the model's, and is held to the
same rules: roles that exist, dependencies that exist, no cycle. Either way the plan comes with what may be done at once
(waves), and as a workflow, which nothing runs yet.
"""
import re

from roles.base import Role, json_in

ROLES = ("architect", "coder", "executor", "critic", "deployer")
STEPS_MAX = 50

# The first that matches is the role of a step.
VERBS = (
    ("deployer", r"deploy|release|publish|ship|roll ?out|roll ?back|install|go live|launch"),
    ("critic", r"review|audit|check|verify|validate|critique|inspect|assess|lint"),
    ("executor", r"run|execute|test|benchmark|measure|migrate|import|export|load|backup|collect|train"),
    ("architect", r"design|plan|specify|define|choose|decide|model|sketch|draft|research|analy[sz]e"),
    ("coder", r"implement|write|code|build|create|add|develop|fix|refactor|generate|extend|make|port|rename|remove"),
)
# What a step of a role waits for, where nobody said an order: all steps of these roles before it.
AFTER = {"architect": (), "coder": ("architect",), "executor": ("architect", "coder"), "critic": ("coder", "executor"),
         "deployer": ("architect", "coder", "executor", "critic")}
DELIVERS = {"architect": "a decision in writing", "coder": "code with a test", "executor": "an exit code and output",
            "critic": "a verdict with findings", "deployer": "a release"}


def role_of(words):
    """The role whose verb comes first."""
    found = [(m.start(), i) for i, (_, verbs) in enumerate(VERBS) if (m := re.search(rf"\b(?:{verbs})", words, re.I))]
    return VERBS[min(found)[1]][0] if found else "coder"


def split(description):
    """[(words, numbered or after a "then")] in the order of the text."""
    lines = [line.strip() for line in description.splitlines() if line.strip()]
    items = [m for line in lines if (m := re.match(r"(?:(\d+)[.)]|[-*•])\s+(.*)", line))]
    if len(items) >= 2:
        return [(m[2].rstrip(". "), m[1] is not None) for m in items]
    steps = []
    for sentence in re.split(r"(?<=[.!?;])\s+", " ".join(lines)):
        parts = re.split(r"(,?\s+(?:and\s+)?(?:then|afterwards|finally)[\s,]+)", sentence, flags=re.I)
        after = bool(re.match(r"(?:then|afterwards|finally|next)\b[\s,]*", sentence, re.I))
        for k in range(0, len(parts), 2):
            words = re.sub(r"^(?:first|then|afterwards|finally|next)\b[\s,]*", "", parts[k].strip(" .;!?,"), flags=re.I)
            clauses = _clauses(words)
            for n, clause in enumerate(clauses):
                steps.append((clause, (k > 0 or after) and n == 0))
    return steps


def _clauses(words):
    """"write X, test it and deploy it" → three, where each begins with a verb of a role."""
    verbs = "|".join(v for _, v in VERBS)
    out = re.split(rf"(?:,\s*(?:and\s+)?|\s+and\s+)(?=(?:{verbs})\b)", words, flags=re.I)
    return [c.strip() for c in out if c.strip()]


def waves(steps):
    """Steps by when they may begin: each wave needs only those before it. ValueError on a cycle."""
    done, out, left = set(), [], list(steps)
    while left:
        ready = [s for s in left if all(d in done for d in s["depends_on"])]
        if not ready:
            raise ValueError("the steps " + ", ".join(s["id"] for s in left) + " wait for each other in a circle")
        out.append([s["id"] for s in ready])
        done.update(s["id"] for s in ready)
        left = [s for s in left if s["id"] not in done]
    return out


def checked(steps):
    """The model's steps, or ValueError with a sentence that the model can use."""
    if not isinstance(steps, list) or not 1 <= len(steps) <= STEPS_MAX:
        raise ValueError(f"\"steps\" is a list of 1 to {STEPS_MAX} steps")
    ids, out = set(), []
    for s in steps:
        if not isinstance(s, dict) or not isinstance(s.get("id"), str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", s["id"]):
            raise ValueError("each step is an object with an \"id\" of letters, digits, _ and -")
        if s["id"] in ids:
            raise ValueError(f"the id {s['id']} is there twice")
        if not isinstance(s.get("title"), str) or not s["title"].strip():
            raise ValueError(f"step {s['id']} has no \"title\"")
        if s.get("role") not in ROLES:
            raise ValueError(f"step {s['id']}: the role is one of " + ", ".join(ROLES))
        depends = s.get("depends_on", [])
        if not isinstance(depends, list) or not all(isinstance(d, str) for d in depends):
            raise ValueError(f"step {s['id']}: \"depends_on\" is a list of ids")
        ids.add(s["id"])
        out.append({"id": s["id"], "title": s["title"].strip(), "role": s["role"], "depends_on": depends,
                    "delivers": str(s.get("delivers") or DELIVERS[s["role"]])})
    for s in out:
        for d in s["depends_on"]:
            if d not in ids:
                raise ValueError(f"step {s['id']} depends on {d}, which is no step")
    waves(out)
    return out


class Architect(Role):
    name = "architect"
    wants = "{\"description\": \"what is to be built\"}, or that text alone"
    system = (
        "You are a software architect. You turn a description into a plan that others carry out. Every step is for exactly one "
        "role: architect (design, decisions), coder (code), executor (running things), critic (review), deployer (release). "
        "Keep steps small enough to be checked, name what each delivers, and let a step depend only on what it really needs, so "
        "that the rest can be done at once. Name the risks that would change the plan. Answer with one JSON object and nothing "
        "else: {\"summary\": \"…\", \"steps\": [{\"id\": \"s1\", \"title\": \"…\", \"role\": \"coder\", \"depends_on\": [], "
        "\"delivers\": \"…\"}], \"risks\": [\"…\"]}")

    def check(self, request):
        self.text(request, "description", required=True)
        self.field(request, "constraints", list, [])

    def whole(self, summary, steps, risks):
        tasks = [{"id": s["id"], "type": s["role"], "payload": {"description": s["title"]}, "dependsOn": s["depends_on"]}
                 for s in steps]
        in_order = waves(steps)
        return {"summary": summary, "steps": steps, "risks": risks, "waves": in_order, "longest_path": len(in_order),
                "flow": {"name": "plan", "failFast": True, "tasks": tasks}}

    def offline(self, request, task):
        found = split(request["description"])[:STEPS_MAX]
        steps = []
        for n, (words, after) in enumerate(found, 1):
            role = role_of(words)
            waits = [s["id"] for s in steps if s["role"] in AFTER[role]]
            if after and steps and steps[-1]["id"] not in waits:
                waits.append(steps[-1]["id"])
            steps.append({"id": f"s{n}", "title": words[:1].upper() + words[1:], "role": role, "depends_on": waits,
                          "delivers": DELIVERS[role]})
        have = {s["role"] for s in steps}
        risks = []
        if "coder" in have and not have & {"critic", "executor"}:
            risks.append("code is written that nobody runs or reviews")
        if "deployer" in have and "critic" not in have:
            risks.append("something is released that nobody has reviewed")
        risks += [f"constraint to be kept: {c}" for c in request.get("constraints", [])]
        return self.whole(found[0][0] if found else "", steps, risks)

    def online(self, request, task):
        constraints = "".join(f"\n- {c}" for c in request.get("constraints", []))

        def use(text):
            plan = json_in(text)
            risks = plan.get("risks", [])
            return self.whole(str(plan.get("summary", "")), checked(plan.get("steps")),
                              [str(r) for r in risks] if isinstance(risks, list) else [str(risks)])
        return self.converse(request["description"] + (f"\n\nConstraints:{constraints}" if constraints else ""), use, task)
