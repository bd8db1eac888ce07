// A task as a command that submits it again: with the nats CLI, with curl, with millrace. Pure.
import type { Headers } from "./types";

export interface Draft {
	type: string;
	headers: Headers;     // Task-*, Content-Type, and any of the handler's
	body: string | null;  // null: not text, or too long: it comes from a file
	file: string;         // its name then
}

/** One word for a POSIX shell; no quotes where none are needed. */
export function quote(word: string): string {
	return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

// What the router gives to a task itself, and what ties it to the old one: nothing to be submitted.
const NOT_AGAIN = /^(task-(id|attempt|epoch|submitted-at|sequence|reply-to|retry-of|avoid-nodes|flow.*|schedule|tick|type|state|execution-epoch)|nats-.*|content-length)$/i;

/** What HTTP has made of "Task-Priority" on its way, as it is written. */
export function properName(name: string): string {
	return /^(task-|content-type$)/.test(name) ? name.replace(/(^|-)[a-z]/g, (c) => c.toUpperCase()) : name;
}

export function again(headers: Headers | undefined): Headers {
	return Object.fromEntries(Object.entries(headers ?? {})
		.filter(([name]) => !NOT_AGAIN.test(name))
		.map(([name, value]) => [properName(name), value]));
}

const lines = (words: string[]) => words.join(" \\\n  ");

export function asNats(d: Draft): string {
	const flags = Object.entries(d.headers).map(([k, v]) => `-H ${quote(`${k}:${v}`)}`);
	// Words with {{ are templates of the nats CLI; from stdin they are what they are.
	const literal = d.body !== null && !d.body.includes("{{") && !d.body.startsWith("-");
	const subject = quote(`tasks.${d.type}`);
	if (literal)
		return lines([`nats pub ${subject} ${quote(d.body!)}`, ...flags]);
	if (d.body === null)
		return lines([`nats pub ${subject} --force-stdin`, ...flags, `< ${quote(d.file)}`]);
	return lines([`printf %s ${quote(d.body)} | nats pub ${subject} --force-stdin`, ...flags]);
}

// Of an HTTP request's headers the gateway takes these for the task; any other one goes into a spec.
const CARRIED = /^(task-.*|ce-.*|content-type|traceparent|tracestate)$/i;
export function carried(headers: Headers): boolean { return Object.keys(headers).every((k) => CARRIED.test(k)); }

/** The task spelled out as JSON, for POST /api/v1/tasks. */
export function specOf(d: Draft): Record<string, unknown> {
	const spec: Record<string, unknown> = { type: d.type, payload: d.body ?? "" };
	if (Object.keys(d.headers).length)
		spec.headers = d.headers;
	return spec;
}

export function asCurl(d: Draft, base: string, token: boolean): string {
	const auth = token ? ['-H "Authorization: Bearer $MILLRACE_TOKEN"'] : [];
	if (!carried(d.headers) && d.body !== null)
		return lines([
			`curl -X POST ${quote(`${base}api/v1/tasks`)}`, ...auth, "-H 'Content-Type: application/json'",
			`--data-raw ${quote(JSON.stringify(specOf(d)))}`,
		]);
	const words = [`curl -X POST ${quote(`${base}api/v1/submit/${encodeURIComponent(d.type)}`)}`, ...auth];
	const headers = Object.entries(d.headers).filter(([k]) => CARRIED.test(k));
	if (!headers.some(([k]) => k.toLowerCase() === "content-type"))
		words.push("-H 'Content-Type: application/octet-stream'");
	for (const [k, v] of headers)
		words.push(`-H ${quote(`${k}: ${v}`)}`);
	// A leading @ would be a file's name to --data-binary.
	words.push(d.body === null ? `--data-binary ${quote(`@${d.file}`)}` : `--data-raw ${quote(d.body)}`);
	return lines(words);
}

const FLAGS: Record<string, string> = {
	"task-priority": "--priority", "task-requires": "--requires", "task-timeout": "--timeout",
	"task-attempts": "--attempts", "task-delay": "--delay", "task-at": "--at", "task-expires": "--expires",
	"task-backoff": "--backoff", "task-project": "--project", "task-result-expires": "--result-expires",
	"task-object": "--object",
};

export function asMillrace(d: Draft): string {
	const words = [`millrace submit ${quote(d.type)}`];
	const object = Object.keys(d.headers).some((k) => k.toLowerCase() === "task-object");
	if (d.body === null)
		words.push(`--file ${quote(d.file)}`);
	else if (!object)
		words.push(d.body.startsWith("-") ? `--data=${quote(d.body)}` : `--data ${quote(d.body)}`);
	for (const [k, v] of Object.entries(d.headers)) {
		const flag = FLAGS[k.toLowerCase()];
		words.push(flag ? `${flag} ${quote(v)}` : `-H ${quote(`${k}:${v}`)}`);
	}
	return lines(words);
}
