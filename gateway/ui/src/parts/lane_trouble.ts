// Why tasks wait on a lane that nothing takes from: which type or which capability is missing, and
// where. Pure; the page's twin of what `millrace doctor` says (cli/doctor_lane.c).
import type { Lane, Node } from "../types";

export interface Trouble { level: "critical" | "warning"; what: string; remedy: string }

const alive = (n: Node) => n.state === "ready" || n.state === "draining";

/** What of the lane's requirements the node has not. */
export function lacking(node: Node, requires: readonly string[]): string[] {
	return requires.filter((r) => !(node.capabilities ?? []).includes(r));
}

/** Nodes that take from the lane, those that drain left out. */
export function servers(lane: Lane, nodes: readonly Node[]): Node[] {
	return nodes.filter((n) => n.state === "ready" && (n.types ?? []).includes(lane.type ?? "") &&
		lacking(n, lane.requires ?? []).length === 0);
}

/** Which type or capability is missing, where no node takes from the lane. */
export function whyNobody(lane: Lane, nodes: readonly Node[]): { what: string; remedy: string } {
	const type = lane.type ?? lane.name;
	const living = nodes.filter(alive);
	const ofType = living.filter((n) => (n.types ?? []).includes(type));
	if (living.length === 0)
		return { what: "No node is running.", remedy: "Start one: millrace-node node-1" };
	if (ofType.length === 0) {
		return {
			what: `No node handles type ${type}.`,
			remedy: `Give a node a handler for ${type} (its --handlers file), or start one with ` +
				`--bridge and answer handle.${type}`,
		};
	}
	const lacks = ofType
		.map((node) => ({ node, missing: lacking(node, lane.requires ?? []) }))
		.sort((a, b) => a.missing.length - b.missing.length);
	if (lacks[0]!.missing.length === 0) {
		return {
			what: "The nodes that could serve it are draining.",
			remedy: "Undrain one (page Nodes), or start another",
		};
	}
	const { node, missing } = lacks[0]!;
	return {
		what: `No node that handles type ${type} has capability ${missing.join(", ")} ` +
			`(nearest: ${node.name}).`,
		remedy: `Start a node with --capabilities ${missing.join(",")}`,
	};
}

/** The first thing that keeps the lane's tasks from being done; undefined: nothing does. */
export function laneTrouble(lane: Lane, nodes: readonly Node[]): Trouble | undefined {
	const waits = (lane.queued ?? 0) > 0;
	if (lane.purging)
		return { level: "warning", what: "It is being purged.", remedy: "Nodes take nothing until that is done" };
	if (lane.paused) {
		return waits
			? { level: "warning", what: "It is paused, and tasks wait.", remedy: "Resume it" }
			: undefined;
	}
	// A lane that a bridge serves is told by its count alone.
	if ((lane.nodes ?? 0) === 0 && servers(lane, nodes).length === 0)
		return { level: waits ? "critical" : "warning", ...whyNobody(lane, nodes) };
	const held = (lane.queued ?? 0) + (lane.running ?? 0);
	if (lane.limit && held > lane.limit * 0.8) {
		return {
			level: "warning",
			what: `It holds ${held} of the ${lane.limit} tasks that it may.`,
			remedy: "More nodes or slots, or a larger depth; what comes beyond it is put off",
		};
	}
	return undefined;
}
