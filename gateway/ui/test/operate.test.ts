// The small decisions of the operators' pages.
import { describe, expect, it } from "vitest";

import { difference, standing } from "../src/parts/balance";
import { byPool, heatOf, heatStep, heatWords } from "../src/parts/heat";
import type { Node } from "../src/types";

describe("heat", () => {
	it.each([[0, 0], [0.01, 1], [0.25, 1], [0.26, 2], [0.5, 2], [0.75, 3], [0.76, 4], [1, 4], [1.4, 4]])(
		"a share of %d is step %d", (share, step) => expect(heatStep(share)).toBe(step));

	it("is of slots, CPU or memory", () => {
		const n: Node = { name: "n", used: 3, slots: 10, cpu_percent: 50, memory_percent: 12.4 };
		expect([heatOf(n, "slots"), heatOf(n, "cpu")]).toEqual([0.3, 0.5]);
		expect(heatWords(n, "slots")).toBe("3 of 10 slots");
		expect(heatWords(n, "memory")).toBe("12 % memory");
		expect(heatOf({ name: "none" }, "slots")).toBe(0);
	});

	it("orders nodes as people count", () => {
		const nodes = ["b-10", "b-9", "a-1"].map((name): Node => ({ name, pool: name[0]! }));
		expect(byPool(nodes).map(([pool, of]) => [pool, of.map((n) => n.name)]))
			.toEqual([["a", ["a-1"]], ["b", ["b-9", "b-10"]]]);
	});
});

describe("the balance of a lane", () => {
	it.each([
		[{ accepted: 6, completed: 1, dead: 1, cancelled: 1, queued: 1, running: 1, scheduled: 1 }, 0, "balanced"],
		[{ accepted: 3, completed: 2 }, 1, "unbalanced"],
		[{ accepted: 2, queued: 2, missing: 1 }, 0, "missing"],
		[{ accepted: 2, queued: 2, missing: 1, unresolved: 1 }, 0, "unresolved"],
		[{}, 0, "balanced"],
	] as const)("%j", (lane, off, words) => {
		expect(difference(lane)).toBe(off);
		expect(standing(lane)).toBe(words);
	});
});
