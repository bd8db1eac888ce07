// The submit form as a value: what is wrong with it, and the request that it makes. Pure.
import { carried } from "./shell";
import type { Headers } from "./types";

export interface Extra { name: string; value: string }
export interface Form {
	type: string;
	text: string;
	contentType: string;
	priority: string;
	requires: string;
	timeout: string;
	attempts: string;
	project: string;
	delay: string;
	at: string;       // local, as a datetime field has it
	expires: string;
	id: string;
	extra: Extra[];
}
export const EMPTY: Form = {
	type: "", text: "", contentType: "", priority: "", requires: "", timeout: "", attempts: "", project: "",
	delay: "", at: "", expires: "", id: "", extra: [],
};

const FIELDS: readonly (readonly [keyof Form, string])[] = [
	["priority", "Task-Priority"], ["requires", "Task-Requires"], ["timeout", "Task-Timeout"],
	["attempts", "Task-Attempts"], ["project", "Task-Project"], ["delay", "Task-Delay"], ["expires", "Task-Expires"],
	["id", "Task-Id"],
];

/** The form's name of what the gateway calls "Task-Id", "task_id" or "type"; "" where it has none. */
export function fieldOf(name: string): keyof Form | "" {
	const word = name.toLowerCase().replace(/^task-/, "");
	if (word === "at" || word === "type" || word === "requires")
		return word;
	return FIELDS.find(([key, header]) => header.toLowerCase() === name.toLowerCase() || key === word)?.[0] ?? "";
}

const TOKEN = /^(?!-)(?!.*--)[A-Za-z0-9_-]{1,64}(?<!-)$/;
const DURATION = /^(\d+(\.\d+)?|(\d+(\.\d+)?(ns|us|µs|μs|ms|s|m|h|d))+)$/; // a bare number: seconds
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

/** Faults by field; {} where it may go. The gateway looks again. */
export function faults(f: Form): Partial<Record<keyof Form, string>> {
	const bad: Partial<Record<keyof Form, string>> = {};
	if (!f.type.trim())
		bad.type = "A task needs a type.";
	else if (!TOKEN.test(f.type.trim()))
		bad.type = "Letters, digits, _ and single inner hyphens, at most 64.";
	if (f.requires.trim() && !f.requires.split(",").every((r) => TOKEN.test(r.trim())))
		bad.requires = "Capabilities, separated by commas: gpu,plugin-x";
	for (const key of ["timeout", "delay", "expires"] as const)
		if (f[key].trim() && !DURATION.test(f[key].trim()))
			bad[key] = "A duration such as 30s or 5m.";
	if (f.attempts.trim() && !(Number.isInteger(Number(f.attempts)) && Number(f.attempts) >= 1 && Number(f.attempts) <= 1000))
		bad.attempts = "1 to 1000, the first included.";
	if (f.delay.trim() && f.at)
		bad.at = "Either after a delay or at a moment, not both.";
	if (f.id.trim() && !/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(f.id.trim()))
		bad.id = "Letters, digits, _ and -, with single dots inside.";
	const wrong = f.extra.find((h) => (h.name || h.value) && (!HEADER_NAME.test(h.name) || !h.value.trim()));
	if (wrong)
		bad.extra = wrong.name && HEADER_NAME.test(wrong.name)
			? `The header ${wrong.name} has no value.` : "A header has a name without blanks, and a value.";
	return bad;
}

export function headersOf(f: Form): Headers {
	const headers: Headers = {};
	for (const [key, name] of FIELDS) {
		const value = String(f[key]).trim();
		if (value)
			headers[name] = value;
	}
	if (f.at)
		headers["Task-At"] = new Date(f.at).toISOString();
	if (f.contentType.trim())
		headers["Content-Type"] = f.contentType.trim();
	for (const h of f.extra)
		if (h.name.trim())
			headers[h.name.trim()] = h.value.trim();
	return headers;
}

/** A task's headers in the fields that the form has for them, the others as extra ones. */
export function formOf(type: string, headers: Headers, text: string): Form {
	const form: Form = { ...EMPTY, type, text, extra: [] };
	for (const [name, value] of Object.entries(headers)) {
		const field = FIELDS.find(([, header]) => header.toLowerCase() === name.toLowerCase())?.[0];
		if (name.toLowerCase() === "content-type")
			form.contentType = value;
		else if (field && field !== "extra" && !(field === "priority" && !/^(high|normal|low)$/i.test(value)))
			form[field] = field === "priority" ? value.toLowerCase() : value;
		else
			form.extra.push({ name, value });
	}
	return form;
}

export interface Submission { path: string; headers: Headers; spec: Record<string, unknown> | null }

/**
 * The body goes as it is where the gateway takes all of the headers; one with headers of the
 * handler's own is spelled out as JSON, with its bytes as text or as base64 under `payload`.
 */
export function submissionOf(f: Form): Submission {
	const headers = headersOf(f);
	const type = f.type.trim();
	if (carried(headers))
		return { path: `/submit/${encodeURIComponent(type)}`, headers, spec: null };
	return { path: "/tasks", headers: { "Content-Type": "application/json" }, spec: { type, headers } };
}

/** What a text seems to be, where nobody said. */
export function guessType(text: string): string {
	const t = text.trim();
	if (/^[[{]/.test(t)) {
		try {
			JSON.parse(t);
			return "application/json";
		} catch { /* no JSON */ }
	}
	return "text/plain; charset=utf-8";
}
