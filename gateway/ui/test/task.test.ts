import { describe, expect, it } from "vitest";
import { attemptsOf, waterfall } from "../src/attempts";
import { EMPTY, faults, fieldOf, formOf, guessType, headersOf, submissionOf } from "../src/draft";
import { match, parseHash, href } from "../src/location";
import { cancelGroup, filterOf, inWords, taskQuery } from "../src/tasks_query";
import { whyWaiting } from "../src/task_why";
import type { Lane, Node, Task } from "../src/types";

const NOW = Date.parse("2026-01-31T12:00:00Z");
const at = (s: number) => new Date(NOW + s * 1000).toISOString();
const task = (t: Partial<Task>): Task => ({ id: "t", type: "thumb", state: "queued", lane: "thumb--gpu", ...t });
const node = (n: Partial<Node>): Node => ({ name: "n1", state: "ready", slots: 10, types: ["thumb"], ...n });
const lane = (l: Partial<Lane>): Lane => ({ name: "thumb--gpu", type: "thumb", requires: ["gpu"], ...l });
const why = (t: Task, l: Lane | undefined, n: Node[]) => whyWaiting(t, l, n, NOW).map((r) => r.what).join(" | ");

describe("why a task waits", () => {
	it("nobody serves its lane", () => {
		expect(why(task({}), lane({}), [])).toBe("No node is running.");
		expect(why(task({}), lane({}), [node({})])).toContain("has capability gpu");
	});
	it("a pause, its reason and its end", () => {
		expect(why(task({}), lane({ nodes: 1, paused: true, reason: "upstream is down", until_at: at(60) }), [node({})]))
			.toBe("Lane thumb--gpu is paused: upstream is down. It goes on in 1 m.");
	});
	it("all slots are in use", () => {
		expect(why(task({}), lane({ nodes: 1, queued: 7 }), [node({ capabilities: ["gpu"], used: 10 })])).toContain("All 10 slots of the 1 node");
	});
	it("a limit of the lane", () => expect(why(task({}), lane({ nodes: 1, running: 2, concurrency: 2 }), [])).toContain("runs 2 at once"));
	it("a node that is not there", () => {
		expect(why(task({ headers: { "task-node": "n9" } }), lane({ nodes: 1 }), [node({})])).toContain("given to node n9");
	});
	it("its time", () => expect(why(task({ state: "scheduled", due_at: at(90) }), undefined, [])).toContain("due in 1 m 30 s"));
	it("a retry", () => {
		expect(why(task({ state: "scheduled", attempt: 2, attempts: 4, due_at: at(5) }), undefined, [])).toBe("Attempt 1 of 4 failed; the next one waits for its time. It is due in 5 s.");
		expect(why(task({ state: "scheduled", attempt: 1, due_at: at(-1) }), undefined, [])).toContain("It is due now.");
	});
	it("nothing, once it runs", () => expect(why(task({ state: "running" }), lane({ paused: true }), [])).toBe(""));
});

describe("attempts", () => {
	const dead = task({
		state: "dead", attempt: 2, submitted_at: at(0), started_at: at(8), finished_at: at(10), error: "bad", node: "n2",
		history: [{ attempt: 1, node: "n1", outcome: "failed", started_at: at(1), finished_at: at(2) }],
	});
	it("the last one is the task itself", () => expect(attemptsOf(dead).map((a) => [a.attempt, a.outcome])).toEqual([[1, "failed"], [2, "failed"]]));
	it("and is not told twice", () => {
		const history = [...dead.history!, { attempt: 2, node: "n2", outcome: "failed", started_at: at(8), finished_at: at(10) }];
		expect(attemptsOf({ ...dead, history }).length).toBe(2);
	});
	it("share one axis from the submission to the end", () => {
		const { bars, total_ms } = waterfall(dead, 0);
		expect(total_ms).toBe(10_000);
		expect(bars.map((b) => [b.from, b.to])).toEqual([[0.1, 0.2], [0.8, 1]]);
	});
	it("one that runs reaches until now", () => {
		const { bars } = waterfall(task({ state: "running", submitted_at: at(-10), started_at: at(-5) }), NOW);
		expect(bars[0]).toMatchObject({ from: 0.5, to: 1, outcome: "running", took_ms: 5000 });
	});
	it("without times there is no division by nothing", () => expect(waterfall(task({ state: "dead", attempt: 1 }), NOW).bars).toEqual([]));
});

describe("the filter of the list", () => {
	const f = filterOf(new URLSearchParams("state=dead,nonsense,queued&type=echo&since=1h"));
	it("knows states that there are", () => expect(f.states).toEqual(["dead", "queued"]));
	it("counts back from now", () => expect(taskQuery(f, NOW).after).toBe("2026-01-31T11:00:00.000Z"));
	it("is told in words", () => expect(inWords(f)).toBe("dead or queued tasks of type echo submitted in the last hour"));
	it("is a group for cancelling only where it says no more than one can", () => {
		expect(cancelGroup(f)).toBeNull();
		expect(cancelGroup(filterOf(new URLSearchParams("type=echo&project=p")))).toEqual({ type: "echo", project: "p" });
		expect(cancelGroup(filterOf(new URLSearchParams("type=echo&node=n1")))).toBeNull();
		expect(cancelGroup(filterOf(new URLSearchParams("")))).toBeNull();
	});
});

describe("the submit form", () => {
	const form = { ...EMPTY, type: "thumb", text: "x" };
	it.each([["", true], ["a b", true], ["a--b", true], ["-a", true], ["thumb_2", false], ["a-b", false]])("type %j refused: %s", (type, bad) => {
		expect("type" in faults({ ...form, type })).toBe(bad);
	});
	it.each([["30s", false], ["1m30s", false], ["15", false], ["soon", true], ["5 m", true]])("timeout %j refused: %s", (timeout, bad) => {
		expect("timeout" in faults({ ...form, timeout })).toBe(bad);
	});
	it("says that a header has a value", () => expect(faults({ ...form, extra: [{ name: "X-A", value: " " }] }).extra).toContain("X-A"));
	it("goes as it is with a task's headers, spelled out with others", () => {
		expect(submissionOf({ ...form, priority: "high" })).toEqual({ path: "/submit/thumb", headers: { "Task-Priority": "high" }, spec: null });
		expect(submissionOf({ ...form, extra: [{ name: "X-A", value: "1" }] }).spec).toEqual({ type: "thumb", headers: { "X-A": "1" } });
	});
	it("comes back from a task's headers", () => {
		const headers = { "Task-Priority": "high", "Content-Type": "text/csv", "X-A": "1", "Task-Timeout": "3s" };
		expect(headersOf(formOf("thumb", headers, "x"))).toEqual(headers);
	});
	it("finds its field for what the gateway says is wrong", () => {
		expect(["Task-Id", "type", "Task-At", "Task-Timeout", "nonsense", ""].map(fieldOf)).toEqual(["id", "type", "at", "timeout", "", ""]);
	});
	it("keeps a priority by number", () => expect(headersOf(formOf("t", { "Task-Priority": "7" }, ""))).toEqual({ "Task-Priority": "7" }));
	it("guesses JSON only where it is", () => {
		expect(guessType('{"a":1}')).toBe("application/json");
		expect(guessType("{a}")).toContain("text/plain");
	});
});

describe("the address", () => {
	it("is read", () => {
		const p = parseHash("#/tasks?state=dead&type=a%20b");
		expect([p.path, p.query.get("state"), p.query.get("type")]).toEqual(["/tasks", "dead", "a b"]);
		expect(parseHash("").path).toBe("/");
	});
	it("is made, without what is empty", () => expect(href("/tasks", { type: "", state: "a&b" })).toBe("#/tasks?state=a%26b"));
	it("matches names with any character", () => {
		expect(match("/tasks/:id", "/tasks/a%2Fb.r1")).toEqual({ id: "a/b.r1" });
		expect(match("/tasks/:id", "/tasks")).toBeNull();
		expect(match("/tasks/:id", "/tasks/%")).toBeNull();
		expect(match("/lanes", "/lanes/")).toEqual({});
	});
});
