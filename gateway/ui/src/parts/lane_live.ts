// The rates of all lanes, as a signal that moves by itself: lane_rates.ts fed by /events.
import { computed, effect } from "@preact/signals";
import { millis } from "../format";
import { at, lanes } from "../live";
import type { Lane } from "../types";
import { now } from "../ui/time";
import { addSample, ratesOf, sampleOf, type Rates, type Sample } from "./lane_rates";

const known = new Map<string, { lane: Lane; samples: readonly Sample[] }>();
let heard_ms = 0; // by our clock, when the gateway's `at` came

effect(() => {
	const t = millis(at.value);
	const rows = lanes.value;
	if (Number.isNaN(t))
		return;
	heard_ms = Date.now();
	for (const lane of rows) {
		const before = known.get(lane.name);
		const sample = before?.lane === lane ? undefined : sampleOf(lane, t);
		if (sample)
			known.set(lane.name, { lane, samples: addSample(before?.samples ?? [], sample) });
	}
	const names = new Set(rows.map((lane) => lane.name));
	for (const name of [...known.keys()].filter((n) => !names.has(n)))
		known.delete(name);
});

/** By lane; of those of which enough is known. */
export const laneRates = computed<ReadonlyMap<string, Rates>>(() => {
	// The gateway's clock: its last word, and the time since.
	const t = millis(at.value) + Math.max(0, now.value - heard_ms);
	const found = new Map<string, Rates>();
	for (const [name, { samples }] of known) {
		const rates = ratesOf(samples, t);
		if (rates)
			found.set(name, rates);
	}
	return found;
});
