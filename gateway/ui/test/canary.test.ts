import { describe, expect, it } from "vitest";

import { judge, sameFailure, stageSize } from "../src/parts/canary";
import { runCanary, type Canary, type CanarySystem } from "../src/parts/canary_run";
import type { Task } from "../src/types";

describe("stages", () => {
	// As cli/canary.c has them.
	it.each([
		[0, [0, 0, 0]], [1, [1, 0, 0]], [2, [1, 0, 1]], [10, [1, 0, 9]], [11, [1, 1, 9]],
		[100, [1, 9, 90]], [101, [1, 10, 90]],
	])("of %i letters are %j", (total, sizes) => {
		expect([stageSize("one", total), stageSize("tenth", total), stageSize("rest", total)])
			.toEqual(sizes);
	});

	it.each([
		[{ replayed: 1, completed: 0, same: 0, other: 0 }, "wait"],
		[{ replayed: 1, completed: 1, same: 0, other: 0 }, "go"],
		[{ replayed: 9, completed: 0, same: 1, other: 0 }, "same"],
		[{ replayed: 3, completed: 1, same: 0, other: 2 }, "other"],
		[{ replayed: 3, completed: 2, same: 0, other: 1 }, "go"],
	] as const)("%j: %s", (tally, verdict) => expect(judge(tally)).toBe(verdict));

	it("know a failure by its first ten digits", () => {
		expect(sameFailure("3fa94c1e02-9b1c", "3fa94c1e02")).toBe(true);
		expect(sameFailure("3fa94c1e03", "3fa94c1e02")).toBe(false);
		expect(sameFailure(undefined, "")).toBe(false);
	});
});

/** A system of n letters in which the replay of the nth ends as told. */
function world(n: number, end: (i: number) => Partial<Task>) {
	let next = 0;
	const replays: number[] = [];
	const ended = new Map<string, Task>();
	const told: Canary[] = [];
	const system: CanarySystem = {
		replay: async (limit) => {
			const items = [];
			for (let i = 0; i < limit && next < n; i++, next++) {
				const task = { id: `t${next}.r1`, type: "x", state: "completed", ...end(next) } as Task;
				ended.set(task.id, task);
				items.push({ id: `t${next}`, retry_id: task.id, outcome: "replayed" as const,
					fingerprint: "aaaaaaaaaa" });
			}
			replays.push(items.length);
			return { items, next_cursor: next < n ? String(next) : "" };
		},
		ended: async (ids) => [...ids].flatMap((id) => ended.get(id) ?? []),
		pause: async () => {},
		asked: () => false,
		tell: (c) => told.push(c),
	};
	return { system, replays, told };
}

describe("a canary", () => {
	it("replays one, a tenth, and the rest", async () => {
		const w = world(100, () => ({}));
		const c = await runCanary(100, w.system);
		expect(w.replays).toEqual([1, 9, 90]);
		expect(c.stages.map((s) => s.verdict)).toEqual(["go", "go", "go"]);
		expect(c.over).toBe(true);
	});

	it("stops after the first where the failure is back", async () => {
		const w = world(100, () => ({ state: "dead", fingerprint: "aaaaaaaaaa-1234" }));
		const c = await runCanary(100, w.system);
		expect(w.replays).toEqual([1]);
		expect(c.stages.map((s) => s.verdict)).toEqual(["same"]);
		expect(c.example).toBe("t0.r1");
	});

	it("stops in the midst of the rest, without replaying all of it", async () => {
		const w = world(5000, (i) =>
			i === 600 ? { state: "dead", fingerprint: "aaaaaaaaaa" } : {});
		const c = await runCanary(5000, w.system);
		expect(c.stages.at(-1)!.verdict).toBe("same");
		expect(w.replays.reduce((a, b) => a + b)).toBeLessThan(1000);
	});

	it("stops where most die of something else", async () => {
		const w = world(20, (i) => (i > 0 ? { state: "dead", fingerprint: "bbbbbbbbbb" } : {}));
		const c = await runCanary(20, w.system);
		expect(c.stages.map((s) => s.verdict)).toEqual(["go", "other"]);
	});

	it("ends when it is asked to", async () => {
		const w = world(50, () => ({}));
		let asked = 0;
		w.system.asked = () => ++asked > 1;
		const c = await runCanary(50, w.system);
		expect(c.stopped).toBe(true);
		expect(w.replays).toEqual([1]);
	});
});
