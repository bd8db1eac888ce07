import { describe, expect, it } from "vitest";

import { laneTrouble, servers } from "../src/parts/lane_trouble";
import type { Lane, Node } from "../src/types";

const lane = (more: Partial<Lane> = {}): Lane =>
	({ name: "draw--gpu", type: "draw", requires: ["gpu"], queued: 3, ...more });
const node = (more: Partial<Node> = {}): Node =>
	({ name: "n1", state: "ready", types: ["draw"], capabilities: ["gpu"], ...more });

describe("laneTrouble", () => {
	it.each([
		["no node at all", lane(), [], "No node is running"],
		["only one that is lost", lane(), [node({ state: "lost" })], "No node is running"],
		["nobody of the type", lane(), [node({ types: ["echo"] })], "No node handles type draw"],
		["a capability is missing", lane(), [node({ capabilities: [] })], "has capability gpu (nearest: n1)"],
		["all drain", lane(), [node({ state: "draining" })], "are draining"],
		["paused", lane({ paused: true, nodes: 1 }), [node()], "paused"],
		["nearly full", lane({ nodes: 1, queued: 90, limit: 100 }), [node()], "90 of the 100"],
	])("%s", (_name, l, nodes, words) => {
		expect(laneTrouble(l, nodes)?.what).toContain(words);
	});

	it.each([
		["served", lane({ nodes: 1 }), [node()]],
		["served by a bridge", lane({ nodes: 1 }), [node({ types: [], bridge: true })]],
		["paused and empty", lane({ paused: true, queued: 0, nodes: 1 }), [node()]],
	])("none: %s", (_name, l, nodes) => expect(laneTrouble(l, nodes)).toBeUndefined());

	it("is only a warning while nothing waits", () => {
		expect(laneTrouble(lane({ queued: 0 }), [])?.level).toBe("warning");
		expect(laneTrouble(lane(), [])?.level).toBe("critical");
	});

	it("names the nearest node by what it lacks", () => {
		const l = lane({ requires: ["gpu", "big"] });
		const nodes = [node({ name: "far", capabilities: [] }), node({ name: "near" })];
		expect(laneTrouble(l, nodes)?.what).toContain("capability big (nearest: near)");
	});
});

it("servers are ready, of the type, and have what is required", () => {
	const nodes = [node({ name: "a" }), node({ name: "b", state: "draining" }),
		node({ name: "c", capabilities: [] }), node({ name: "d", types: [] })];
	expect(servers(lane(), nodes).map((n) => n.name)).toEqual(["a"]);
});
