// What the task list is asked for, as it stands in the page's address, and as the api understands it.
// Pure.
import type { Query } from "./api";
import { TASK_STATES, type TaskState } from "./types";

export interface TaskFilter {
	states: TaskState[];
	type: string;
	lane: string;
	node: string;
	project: string;
	since: string;  // "15m", "1h", …: counted from now
	after: string;  // "2026-01-31T14:00": local time, as a datetime field has it
	before: string;
}

export const UNFINISHED: readonly TaskState[] = ["scheduled", "queued", "running"];
export const FINISHED: readonly TaskState[] = ["completed", "dead", "cancelled"];
export const isFinished = (state: TaskState | undefined) => FINISHED.includes(state as TaskState);

export const SINCE: readonly (readonly [string, string])[] = [
	["", "any time"], ["5m", "last 5 min"], ["1h", "last hour"], ["24h", "last 24 hours"], ["168h", "last 7 days"],
	["between", "between…"],
];

export function filterOf(query: URLSearchParams): TaskFilter {
	const get = (key: string) => query.get(key) ?? "";
	const states = get("state").split(",").filter((s): s is TaskState => TASK_STATES.includes(s as TaskState));
	return {
		states, type: get("type"), lane: get("lane"), node: get("node"), project: get("project"),
		since: get("since"), after: get("after"), before: get("before"),
	};
}

export function sinceMs(since: string): number {
	const m = /^(\d+)(m|h)$/.exec(since);
	return m ? Number(m[1]) * (m[2] === "m" ? 60_000 : 3_600_000) : 0;
}
function instant(local: string): string | undefined {
	const d = new Date(local);
	return local && !Number.isNaN(d.getTime()) ? d.toISOString() : undefined;
}

export function taskQuery(f: TaskFilter, now: number): Query {
	const back = sinceMs(f.since);
	return {
		state: f.states,
		type: f.type, lane: f.lane, node: f.node, project: f.project,
		after: back ? new Date(now - back).toISOString() : instant(f.after),
		before: back ? undefined : instant(f.before),
	};
}

export function isFiltered(f: TaskFilter): boolean {
	return f.states.length > 0 || [f.type, f.lane, f.node, f.project, f.since, f.after, f.before].some(Boolean);
}

/**
 * The filter as a group that the store cancels by itself, however many match; null where it says
 * more than a group can: then the tasks are looked up and told one by one.
 */
export function cancelGroup(f: TaskFilter): Record<string, string> | null {
	if (f.states.length || f.node || f.since || f.after || f.before)
		return null;
	const group: Record<string, string> = {};
	for (const key of ["type", "lane", "project"] as const)
		if (f[key])
			group[key] = f[key];
	return Object.keys(group).length ? group : null;
}

/** "queued tasks of type echo on lane x": for questions. */
export function inWords(f: TaskFilter): string {
	const words = [f.states.length ? `${f.states.join(" or ")} tasks` : "tasks"];
	if (f.type)
		words.push(`of type ${f.type}`);
	if (f.lane)
		words.push(`on lane ${f.lane}`);
	if (f.node)
		words.push(`of node ${f.node}`);
	if (f.project)
		words.push(`of project ${f.project}`);
	const since = SINCE.find(([key]) => key && key === f.since);
	if (since && f.since !== "between")
		words.push(`submitted in the ${since[1]}`);
	if (f.after)
		words.push(`submitted after ${f.after.replace("T", " ")}`);
	if (f.before)
		words.push(`submitted before ${f.before.replace("T", " ")}`);
	return words.join(" ");
}
