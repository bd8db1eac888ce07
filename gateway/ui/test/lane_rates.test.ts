import { describe, expect, it } from "vitest";

import { addSample, ratesOf, sampleOf, WINDOW_MS, type Sample } from "../src/parts/lane_rates";

const sample = (t: number, came: number, ended = came): Sample => ({ t, came, ended });
const feed = (...all: Sample[]) => all.reduce<readonly Sample[]>(addSample, []);

describe("rates of a lane", () => {
	it("are what came and ended in the time between", () => {
		const s = feed(sample(0, 100, 90), sample(5000, 150, 100));
		expect(ratesOf(s, 5000)).toEqual({ in_s: 10, out_s: 2 });
	});

	it("are not known at once", () => {
		expect(ratesOf([], 5000)).toBeUndefined();
		expect(ratesOf(feed(sample(0, 1)), 500)).toBeUndefined();
	});

	it("fall to nothing where nothing is told any more", () => {
		const s = feed(sample(0, 0), sample(1000, 100));
		expect(ratesOf(s, 10_000)!.in_s).toBeCloseTo(10);
		expect(ratesOf(s, 1000 + WINDOW_MS)!.in_s).toBe(0);
	});

	it("forget what was counted of a stream that was removed", () => {
		const s = feed(sample(0, 1000), sample(2000, 5));
		expect(s).toHaveLength(1);
	});

	it("keep no more than the window", () => {
		const all = Array.from({ length: 400 }, (_, i) => sample(i * 250, i));
		const s = feed(...all);
		expect(s.length).toBeLessThan(WINDOW_MS / 250 + 3);
		expect(ratesOf(s, 399 * 250)!.in_s).toBeCloseTo(4);
	});
});

it("a lane that an older router tells of has no rates", () => {
	expect(sampleOf({ name: "echo", queued: 3 }, 1)).toBeUndefined();
	expect(sampleOf({ name: "echo", came: 10, queued: 3, running: 2 }, 1)).toEqual(sample(1, 10, 5));
});
