// Values as people read them. Pure; what is absent is an en dash.

export const NONE = "–";

/** 1234 → "1,234"; from 100,000 on "123 k", "1.2 M". */
export function count(n: number | undefined | null): string {
	const v = n ?? 0;
	const a = Math.abs(v);
	if (a < 100_000)
		return Math.round(v).toLocaleString("en-US");
	if (a < 999_500)
		return `${Math.round(v / 1e3)} k`;
	if (a < 999_500_000)
		return `${trim(v / 1e6, a < 9_950_000 ? 1 : 0)} M`;
	return `${trim(v / 1e9, 1)} G`;
}

function trim(v: number, digits: number): string { return v.toFixed(digits).replace(/\.0+$/, ""); }

/** A rate a second: 0.25 → "0.25", 12.34 → "12.3", 1234 → "1,234". */
export function rate(n: number | undefined | null): string {
	const v = n ?? 0;
	if (v === 0)
		return "0";
	if (Math.abs(v) < 0.01)
		return "<0.01";
	return Math.abs(v) < 1 ? trim(v, 2) : Math.abs(v) < 100 ? trim(v, 1) : count(v);
}

/** Milliseconds: 0.4 → "0.4 ms", 1234 → "1.23 s", 75000 → "1 m 15 s". */
export function ms(n: number | undefined | null): string {
	if (n === undefined || n === null || !Number.isFinite(n))
		return NONE;
	if (n < 0)
		return `−${ms(-n)}`;
	if (n > 0 && n < 0.05)
		return "<0.1 ms";
	if (n < 9.95)
		return `${trim(n, 1)} ms`;
	if (n < 999.5)
		return `${Math.round(n)} ms`;
	if (n < 59_950)
		return `${trim(n / 1000, n < 9_995 ? 2 : 1)} s`;
	return seconds(n / 1000);
}

/** Seconds: 8 → "8 s", 75 → "1 m 15 s", 90000 → "1 d 1 h". */
export function seconds(n: number | undefined | null): string {
	if (n === undefined || n === null || !Number.isFinite(n))
		return NONE;
	if (n < 59.5)
		return n < 10 ? `${trim(n, 1)} s` : `${Math.round(n)} s`;
	const units: [number, string][] = [[86_400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
	let rest = Math.round(n);
	const first = units.findIndex(([size]) => rest >= size);
	const words: string[] = [];
	for (const [size, name] of units.slice(first, first + 2)) {
		const k = Math.floor(rest / size);
		rest -= k * size;
		if (k)
			words.push(`${k} ${name}`);
	}
	return words.join(" ");
}

export function bytes(n: number | undefined | null): string {
	const v = n ?? 0;
	if (v < 1024)
		return `${v} B`;
	const units = ["KiB", "MiB", "GiB", "TiB"];
	let u = v / 1024;
	let i = 0;
	for (; u >= 1023.95 && i < units.length - 1; i++)
		u /= 1024;
	return `${trim(u, u < 9.95 ? 1 : 0)} ${units[i]}`;
}

/** A share of 1: 0.9876 → "98.8 %". */
export function percent(n: number | undefined | null, digits = 1): string {
	if (n === undefined || n === null || !Number.isFinite(n))
		return NONE;
	// Never rounded up to a whole that it is not: 99.97 % is no 100 %.
	const scale = 10 ** digits;
	const p = n < 1 ? Math.floor(n * 100 * scale + 1e-6) / scale : n * 100;
	return `${trim(p, digits)} %`;
}

function date(at: string | undefined): Date | null {
	if (!at)
		return null;
	const d = new Date(at);
	return Number.isNaN(d.getTime()) ? null : d;
}
const two = (n: number) => String(n).padStart(2, "0");

/** Local time of day, with the date where it is not today: "14:03:07", "2026-01-31 14:03:07". */
export function time(at: string | undefined, now = new Date()): string {
	const d = date(at);
	if (!d)
		return NONE;
	const clock = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
	if (d.toDateString() === now.toDateString())
		return clock;
	return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock}`;
}

/** "12 s ago", "9 m ago", "3 h 5 m ago"; what is to come to the second: "in 3 m 5 s". */
export function ago(at: string | undefined, now = Date.now()): string {
	const d = date(at);
	if (!d)
		return NONE;
	const s = (now - d.getTime()) / 1000;
	if (s < -0.5)
		return `in ${seconds(Math.round(-s))}`;
	if (s < 1)
		return "just now";
	const size = s < 60 ? 1 : s < 86_400 ? 60 : 3600; // smaller units say nothing any more
	return `${seconds(Math.floor(s / size) * size)} ago`;
}

/** With what a Date drops of the fraction: a task may be over within a millisecond. NaN where absent. */
export function millis(at: string | undefined): number {
	const fraction = /\.\d{3}(\d+)/.exec(at ?? "")?.[1];
	return (date(at)?.getTime() ?? NaN) + (fraction ? Number(`0.${fraction}`) : 0);
}

export function plural(n: number, one: string, many = `${one}s`): string {
	return `${count(n)} ${n === 1 ? one : many}`;
}

/** A long text by its beginning. */
export function shorten(text: string, max: number): string {
	return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}
