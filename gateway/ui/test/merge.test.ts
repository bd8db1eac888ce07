import { beforeEach, describe, expect, it } from "vitest";
import * as live from "../src/live";
import { HISTORY_MAX, mergeDecisions, mergeHistory, mergeRows, withGaps } from "../src/merge";

const name = (row: { name: string }) => row.name;

describe("rows", () => {
	const a = { name: "a", n: 1 };
	const b = { name: "b", n: 1 };
	it("change in their place, come and go, sorted", () => {
		expect(mergeRows([a, b], [{ name: "b", n: 2 }, { name: "B", n: 3 }], ["a"], name))
			.toEqual([{ name: "B", n: 3 }, { name: "b", n: 2 }]);
	});
	it("stay the same objects where nothing changed", () => expect(mergeRows([a, b], [{ name: "b", n: 2 }], undefined, name)[0]).toBe(a));
	it("that were removed and are there again are there", () => expect(mergeRows([a], [{ name: "a", n: 2 }], ["a"], name)).toEqual([{ name: "a", n: 2 }]));
});

describe("history", () => {
	it("goes on", () => expect(mergeHistory([{ t: 1 }], [{ t: 2 }, { t: 3 }]).map((p) => p.t)).toEqual([1, 2, 3]));
	it("has each second once, the later word counting", () => {
		expect(mergeHistory([{ t: 1 }, { t: 2, queued: 1 }], [{ t: 2, queued: 5 }, { t: 3 }])).toEqual([{ t: 1 }, { t: 2, queued: 5 }, { t: 3 }]);
	});
	it("is bounded", () => {
		const long = Array.from({ length: HISTORY_MAX }, (_, t) => ({ t }));
		const merged = mergeHistory(long, [{ t: HISTORY_MAX }]);
		expect(merged.length).toBe(HISTORY_MAX);
		expect(merged[0]?.t).toBe(1);
	});
	it("says nothing where nobody looked", () => {
		expect(withGaps([{ t: 1, dead: 1 }, { t: 2, dead: 1 }, { t: 60, dead: 2 }])).toEqual([{ t: 1, dead: 1 }, { t: 2, dead: 1 }, { t: 3 }, { t: 60, dead: 2 }]);
	});
	it("is the same object where nothing came", () => {
		const old = [{ t: 1 }];
		expect(mergeHistory(old, undefined)).toBe(old);
	});
});

describe("decisions", () => {
	it("are newest first, each once", () => {
		const merged = mergeDecisions([{ id: "1.1", at: "2026-01-01T00:00:01Z" }],
			[{ id: "1.2", at: "2026-01-01T00:00:02Z" }, { id: "1.1", at: "2026-01-01T00:00:01Z" }]);
		expect(merged.map((d) => d.id)).toEqual(["1.2", "1.1"]);
	});
});

describe("what the gateway tells", () => {
	beforeEach(() => live.applySnapshot({
		at: "2026-01-01T00:00:00Z", lanes: [{ name: "echo", queued: 3 }], nodes: [{ name: "n1" }], overview: { totals: { submitted: 1 } },
		health: { ok: false, problems: [{ level: "critical", what: "x" }] }, history: [{ t: 1 }],
	}));
	it("a delta leaves alone what it does not name", () => {
		live.applyDelta({ at: "2026-01-01T00:00:01Z", history: [{ t: 2 }] });
		expect(live.lanes.value).toEqual([{ name: "echo", queued: 3 }]);
		expect(live.overview.value.totals?.submitted).toBe(1);
		expect(live.history.value.length).toBe(2);
		expect(live.at.value).toBe("2026-01-01T00:00:01Z");
	});
	it("a delta takes away what was removed, and its health replaces the old one", () => {
		live.applyDelta({ removed: { nodes: ["n1"] }, health: { ok: true } });
		expect(live.nodes.value).toEqual([]);
		expect(live.health.value?.problems).toBeUndefined();
	});
	it("a snapshot forgets what it does not name", () => {
		live.applySnapshot({ at: "2026-01-01T00:00:09Z" });
		expect(live.lanes.value).toEqual([]);
		expect(live.health.value).toBeNull();
		expect(live.history.value).toEqual([]);
	});
});
