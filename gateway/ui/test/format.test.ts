import { describe, expect, it } from "vitest";
import { ago, bytes, count, millis, ms, percent, rate, seconds, shorten, time } from "../src/format";

describe("numbers", () => {
	it.each([[undefined, "0"], [0, "0"], [1234, "1,234"], [99_999, "99,999"], [123_456, "123 k"], [999_499, "999 k"],
		[999_600, "1 M"], [1_234_567, "1.2 M"], [12_345_678, "12 M"], [2.5e9, "2.5 G"]])("count %s is %s", (n, text) => {
		expect(count(n)).toBe(text);
	});
	it.each([[0, "0"], [0.004, "<0.01"], [0.25, "0.25"], [12.34, "12.3"], [1234.5, "1,235"]])("rate %s is %s", (n, text) => {
		expect(rate(n)).toBe(text);
	});
	it("a share is never rounded up to a whole that it is not", () => {
		expect(percent(0.99999, 2)).toBe("99.99 %");
		expect(percent(1)).toBe("100 %");
		expect(percent(0.5, 0)).toBe("50 %");
		expect(percent(undefined)).toBe("–");
	});
	it.each([[0, "0 B"], [1023, "1023 B"], [1536, "1.5 KiB"], [10_485_760, "10 MiB"]])("%s bytes are %s", (n, text) => {
		expect(bytes(n)).toBe(text);
	});
});

describe("times", () => {
	it.each([[undefined, "–"], [NaN, "–"], [0, "0 ms"], [0.011, "<0.1 ms"], [0.42, "0.4 ms"], [9.97, "10 ms"], [999.6, "1 s"], [1234, "1.23 s"],
		[12_345, "12.3 s"], [59_960, "1 m"], [75_000, "1 m 15 s"], [-5, "−5 ms"]])("%s ms are %s", (n, text) => {
		expect(ms(n)).toBe(text);
	});
	it.each([[8, "8 s"], [75, "1 m 15 s"], [3600, "1 h"], [3660, "1 h 1 m"], [90_061, "1 d 1 h"]])("%s s are %s", (n, text) => {
		expect(seconds(n)).toBe(text);
	});
	it("tells the past roughly and the future to the second", () => {
		const now = Date.parse("2026-01-31T12:00:00Z");
		expect(ago("2026-01-31T11:59:48.123456789Z", now)).toBe("11 s ago");
		expect(ago("2026-01-31T11:50:22Z", now)).toBe("9 m ago");
		expect(ago("2026-01-29T10:30:00Z", now)).toBe("2 d 1 h ago");
		expect(ago("2026-01-31T12:03:05Z", now)).toBe("in 3 m 5 s");
		expect(ago("2026-01-31T12:00:00.2Z", now)).toBe("just now");
		expect(ago(undefined, now)).toBe("–");
	});
	it("leaves out the date of today alone", () => {
		const now = new Date(2026, 0, 31, 12, 0, 0);
		expect(time(new Date(2026, 0, 31, 9, 5, 7).toISOString(), now)).toBe("09:05:07");
		expect(time(new Date(2026, 0, 30, 9, 5, 7).toISOString(), now)).toBe("2026-01-30 09:05:07");
		expect(time("nonsense", now)).toBe("–");
	});
	it("keeps what is less than a millisecond", () => {
		expect(millis("2026-01-31T12:00:00.002500Z") - millis("2026-01-31T12:00:00.001250Z")).toBeCloseTo(1.25, 3);
		expect(millis("2026-01-31T12:00:00.5Z")).toBe(Date.parse("2026-01-31T12:00:00Z") + 500);
		expect(millis(undefined)).toBeNaN();
	});
	it("shortens by its beginning", () => expect(shorten("abcdef", 4)).toBe("abc…"));
});
