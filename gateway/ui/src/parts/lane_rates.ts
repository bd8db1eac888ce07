// How fast tasks come to a lane and end there, from what is told of it now and then: `came` counts
// every message that was put on the lane, `queued` + `running` are those that are still there. The
// window slides, so that a lane which stands still is seen to. Pure.
import type { Lane } from "../types";

export interface Sample { t: number /* ms */; came: number; ended: number }
export interface Rates { in_s: number; out_s: number }

export const WINDOW_MS = 10_000;
const LEAST_MS = 1500; // a shorter time says nothing

/** Where the last sample of that moment or before it is; 0 where there is none. */
function atOrBefore(samples: readonly Sample[], t: number): number {
	let i = 0;
	while (i + 1 < samples.length && samples[i + 1]!.t <= t)
		i++;
	return i;
}

/** What is to be remembered of a lane; undefined where an older router does not count. */
export function sampleOf(lane: Lane, t: number): Sample | undefined {
	if (lane.came === undefined || lane.came === null)
		return undefined;
	return { t, came: lane.came, ended: lane.came - (lane.queued ?? 0) - (lane.running ?? 0) };
}

/** Samples with this one added, those that the window has left behind forgotten but the last of them. */
export function addSample(old: readonly Sample[], s: Sample): Sample[] {
	const last = old[old.length - 1];
	// The lane's stream was made anew: what was counted before is of another.
	const kept = last && s.came < last.came ? [] : old.filter((o) => o.t < s.t);
	const begin = s.t - WINDOW_MS;
	return [...kept.slice(atOrBefore(kept, begin)), s];
}

/** undefined while too little is known. */
export function ratesOf(samples: readonly Sample[], t: number): Rates | undefined {
	const last = samples[samples.length - 1];
	if (!last)
		return undefined;
	const begin = t - WINDOW_MS;
	const first = samples[atOrBefore(samples, begin)]!;
	const span = (t - Math.max(first.t, begin)) / 1000;
	if (span * 1000 < LEAST_MS)
		return undefined;
	// What changed before the window began is not the window's.
	return {
		in_s: Math.max(0, last.came - first.came) / span,
		out_s: Math.max(0, last.ended - first.ended) / span,
	};
}
