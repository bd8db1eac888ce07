// accepted = completed + dead + cancelled + queued + running + scheduled: whether it holds. Pure.
import type { TaskState } from "../types";
import type { AuditLane } from "../types_operate";

export const ENDED: readonly TaskState[] = ["completed", "dead", "cancelled"];
export const OPEN: readonly TaskState[] = ["queued", "running", "scheduled"];

const sum = (l: AuditLane, states: readonly TaskState[]) => states.reduce((n, s) => n + (l[s] ?? 0), 0);

/** What is accepted beyond what is told of; 0: the books balance. */
export function difference(l: AuditLane): number {
	return (l.accepted ?? 0) - sum(l, ENDED) - sum(l, OPEN);
}

export type Standing = "balanced" | "missing" | "unresolved" | "unbalanced";

export function standing(l: AuditLane): Standing {
	if ((l.missing ?? 0) > (l.unresolved ?? 0))
		return "missing";
	if (l.unresolved)
		return "unresolved";
	return difference(l) === 0 ? "balanced" : "unbalanced";
}
