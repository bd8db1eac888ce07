// What a delta makes of what is known. Pure. Rows that did not change stay the same objects, so that
// nothing that shows them is drawn again.
import type { Point, ScaleEvent } from "./types_operate";

export const HISTORY_MAX = 1800; // points, one a second
export const DECISIONS_MAX = 50;

/** Changed rows in their place, new ones added, removed ones gone; sorted by name. */
export function mergeRows<T>(
	old: readonly T[],
	changed: readonly T[] | undefined,
	removed: readonly string[] | undefined,
	key: (row: T) => string,
): T[] {
	const rows = new Map(old.map((row) => [key(row), row]));
	for (const name of removed ?? [])
		rows.delete(name);
	for (const row of changed ?? [])
		rows.set(key(row), row);
	return [...rows.values()].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

/** In order of time, each second once (the later word counts), the newest HISTORY_MAX. */
export function mergeHistory(old: readonly Point[], more: readonly Point[] | undefined): Point[] {
	if (!more?.length)
		return old as Point[];
	const last = old[old.length - 1];
	let points: Point[];
	if (!last || more[0]!.t > last.t) {
		points = [...old, ...more];
	} else {
		const by = new Map<number, Point>();
		for (const p of [...old, ...more])
			by.set(p.t, p);
		points = [...by.values()].sort((a, b) => a.t - b.t);
	}
	return points.length > HISTORY_MAX ? points.slice(points.length - HISTORY_MAX) : points;
}

const GAP_S = 5;

/** The same with a point that says nothing in each gap: a line is not drawn over what nobody saw. */
export function withGaps(points: readonly Point[]): readonly Point[] {
	if (!points.some((p, i) => i > 0 && p.t - points[i - 1]!.t > GAP_S))
		return points;
	return points.flatMap((p, i) => {
		const before = points[i - 1];
		return before && p.t - before.t > GAP_S ? [{ t: before.t + 1 }, p] : [p];
	});
}

/** Newest first, each once. */
export function mergeDecisions(old: readonly ScaleEvent[], more: ScaleEvent[] | undefined) {
	if (!more?.length)
		return old as ScaleEvent[];
	const by = new Map<string, ScaleEvent>();
	for (const d of [...old, ...more])
		by.set(d.id, d);
	return [...by.values()]
		.sort((a, b) => (b.at ?? "").localeCompare(a.at ?? "") || b.id.localeCompare(a.id))
		.slice(0, DECISIONS_MAX);
}

