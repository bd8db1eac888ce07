// What the heat grid of nodes shows: one of three shares, and in which of five steps it lies. Pure.
import type { Node } from "../types";

export type Heat = "slots" | "cpu" | "memory";
export const HEATS: readonly (readonly [Heat, string])[] = [["slots", "Slots"], ["cpu", "CPU"], ["memory", "Memory"]];

/** A share of 1. */
export function heatOf(node: Node, by: Heat): number {
	switch (by) {
	case "slots":
		return (node.used ?? 0) / (node.slots || 1);
	case "cpu":
		return (node.cpu_percent ?? 0) / 100;
	case "memory":
		return (node.memory_percent ?? 0) / 100;
	}
}

/** 0: nothing; 1 to 4: by quarters. */
export function heatStep(share: number): number {
	return share <= 0 ? 0 : Math.min(4, Math.ceil(share * 4 - 1e-9));
}

export function heatWords(node: Node, by: Heat): string {
	switch (by) {
	case "slots":
		return `${node.used ?? 0} of ${node.slots ?? 0} slots`;
	case "cpu":
		return `${Math.round(node.cpu_percent ?? 0)} % CPU`;
	case "memory":
		return `${Math.round(node.memory_percent ?? 0)} % memory`;
	}
}

/** By pool, pools and nodes by name. */
export function byPool(nodes: readonly Node[]): [pool: string, nodes: Node[]][] {
	const found = new Map<string, Node[]>();
	for (const node of nodes)
		found.set(node.pool ?? "", [...(found.get(node.pool ?? "") ?? []), node]);
	return [...found].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
		.map(([pool, of]) => [pool, of.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))]);
}
