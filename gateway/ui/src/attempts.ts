// A task's attempts on one axis of time. Pure. The store keeps attempts beyond the last as rows of
// their own; the last one is the task itself.
import { millis } from "./format";
import type { Attempt, Task } from "./types";

export interface Bar {
	attempt: number;
	node: string;
	outcome: string; // completed, failed, cancelled, …; running
	error: string;
	from: number;    // shares of the whole, 0 to 1
	to: number;
	took_ms: number; // NaN where unknown
	started_at: string;
}
export interface Waterfall { bars: Bar[]; total_ms: number; due: number | null }

function lastOf(t: Task): Attempt | null {
	if (!t.started_at)
		return null;
	const outcome = t.state === "dead" ? "failed" : t.state === "scheduled" || t.state === "queued" ? "" : t.state;
	return {
		attempt: t.attempt ?? 1, node: t.node, outcome, reason: t.reason, error: t.error,
		started_at: t.started_at, finished_at: t.finished_at,
	};
}

/** Each attempt once, in order. */
export function attemptsOf(t: Task): Attempt[] {
	const list = [...(t.history ?? [])];
	const last = lastOf(t);
	const known = last && list.some((a) =>
		(a.attempt === last.attempt && a.finished_at !== undefined && !["running"].includes(t.state)) || a.started_at === last.started_at);
	if (last && !known && last.outcome !== "")
		list.push(last);
	return list.sort((a, b) => (millis(a.started_at) || 0) - (millis(b.started_at) || 0) || (a.attempt ?? 0) - (b.attempt ?? 0));
}

export function waterfall(t: Task, now: number): Waterfall {
	const attempts = attemptsOf(t);
	const starts = attempts.map((a) => millis(a.started_at)).filter(Number.isFinite);
	const begin = Math.min(...[millis(t.submitted_at), ...starts].filter(Number.isFinite));
	const finished = millis(t.finished_at);
	const due = millis(t.due_at);
	const over = ["completed", "dead", "cancelled"].includes(t.state);
	const ends = attempts.map((a) => millis(a.finished_at)).filter(Number.isFinite);
	let end = over && Number.isFinite(finished) ? finished : Math.max(now, ...ends);
	end = Math.max(end, ...ends, ...starts);
	if (!Number.isFinite(begin) || end <= begin)
		return { bars: attempts.map((a) => bar(a, begin, begin + 1, end)), total_ms: 0, due: null };
	const share = Number.isFinite(due) && t.state === "scheduled" && due <= end ? (due - begin) / (end - begin) : null;
	return { bars: attempts.map((a) => bar(a, begin, end, end)), total_ms: end - begin, due: share };
}

function bar(a: Attempt, begin: number, end: number, open: number): Bar {
	const s = millis(a.started_at);
	const f = millis(a.finished_at);
	const at = (ms: number) => Math.max(0, Math.min(1, (ms - begin) / (end - begin)));
	const until = Number.isFinite(f) ? f : a.outcome === "running" ? open : s;
	return {
		attempt: a.attempt ?? 1,
		node: a.node ?? "",
		outcome: a.outcome ?? "",
		error: [a.reason && a.reason !== "error" ? a.reason : "", a.error ?? ""].filter(Boolean).join(": "),
		from: Number.isFinite(s) ? at(s) : 0,
		to: Number.isFinite(until) ? at(until) : 0,
		took_ms: Number.isFinite(s) && Number.isFinite(until) ? until - s : NaN,
		started_at: a.started_at ?? "",
	};
}
