import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { again, asCurl, asMillrace, asNats, quote, type Draft } from "../src/shell";

/** The words that a real shell makes of it. */
function words(command: string): string[] {
	const out = execFileSync("sh", ["-c", `show() { for w in "$@"; do printf '%s\\0' "$w"; done; }\nshow ${command}`], { encoding: "utf8" });
	return out.split("\0").slice(0, -1);
}
const draft = (d: Partial<Draft>): Draft => ({ type: "echo", headers: {}, body: "hello", file: "x.body", ...d });
const BASE = "http://127.0.0.1:8080/";
const NASTY = `it's "so" $HOME \`id\` \\ {"a":1}\nline`;

describe("a command to submit it again", () => {
	it("quotes only where it must", () => {
		expect(quote("tasks.echo")).toBe("tasks.echo");
		expect(words(quote(NASTY))).toEqual([NASTY]);
		expect(words(quote(""))).toEqual([""]);
	});
	it("keeps any text as it is through a shell", () => {
		expect(words(asNats(draft({ body: NASTY })))).toEqual(["nats", "pub", "tasks.echo", NASTY]);
		expect(words(asMillrace(draft({ body: NASTY })))).toEqual(["millrace", "submit", "echo", "--data", NASTY]);
		expect(words(asCurl(draft({ body: NASTY }), BASE, false)).slice(-2)).toEqual(["--data-raw", NASTY]);
	});
	it("hands the nats CLI no template and no flag as a body", () => {
		for (const body of ["{{Count}}", "-x", `${NASTY} {{ID}}`]) {
			const [print, pub] = asNats(draft({ body })).split(" | ") as [string, string];
			expect(pub).toBe("nats pub tasks.echo --force-stdin");
			expect(execFileSync("sh", ["-c", print], { encoding: "utf8" })).toBe(body);
		}
	});
	it("takes a body that is no short text from a file", () => {
		expect(asNats(draft({ body: null }))).toMatch(/< x\.body$/);
		expect(words(asCurl(draft({ body: null }), BASE, false))).toContain("@x.body");
		expect(asMillrace(draft({ body: null }))).toContain("--file x.body");
	});
	it("tells headers in each tool's way", () => {
		const d = draft({ headers: { "Task-Priority": "high", "Task-Requires": "gpu,a b" } });
		expect(words(asNats(d)).slice(4)).toEqual(["-H", "Task-Priority:high", "-H", "Task-Requires:gpu,a b"]);
		expect(words(asMillrace(d)).slice(5)).toEqual(["--priority", "high", "--requires", "gpu,a b"]);
		expect(words(asCurl(d, BASE, false))).toContain("Task-Priority: high");
	});
	it("spells the task out for curl where the gateway would not carry a header", () => {
		const last = words(asCurl(draft({ headers: { "X-Order": "42" } }), BASE, false)).at(-1)!;
		expect(JSON.parse(last)).toEqual({ type: "echo", payload: "hello", headers: { "X-Order": "42" } });
	});
	it("never shows the token", () => expect(asCurl(draft({}), BASE, true)).toContain("Bearer $MILLRACE_TOKEN"));
	it("leaves out what belongs to the old task", () => {
		expect(again({ "Task-Id": "a", "nats-msg-id": "b", "task-priority": "low", "x-mine": "1", "Task-Epoch": "3" }))
			.toEqual({ "Task-Priority": "low", "x-mine": "1" });
	});
});
