// Asking the gateway. Every answer that is no success becomes an ApiError with the sentence and the
// field of its problem+json; what never arrived is one with status 0. 429 and 503 carry the time to
// wait. The token is kept for this tab only (sessionStorage) and goes out as a bearer header.
// Addresses are relative to the page, which may lie behind a proxy's path.

export type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

export class ApiError extends Error {
	constructor(
		readonly status: number, // 0: no answer
		message: string,
		readonly field = "",
		readonly retryAfter_s = 0,
		readonly title = "",
	) {
		super(message);
		this.name = "ApiError";
	}
	get unavailable() { return this.status === 0 || this.status === 503; }
}

const KEY = "millrace.token";
let onUnauthorized = (_e: ApiError) => {};

export function token(): string { return sessionStorage.getItem(KEY) ?? ""; }
export function setToken(value: string) {
	if (value)
		sessionStorage.setItem(KEY, value);
	else
		sessionStorage.removeItem(KEY);
}
/** Told of each 401, so that the page can ask for a token. */
export function whenUnauthorized(fn: (e: ApiError) => void) { onUnauthorized = fn; }

/** "/tasks", {state: ["dead"]} → "api/v1/tasks?state=dead"; empty values are left out. */
export function address(path: string, query?: Query): string {
	const q = new URLSearchParams();
	for (const [key, value] of Object.entries(query ?? {})) {
		if (value === undefined || value === "" || value === false)
			continue;
		q.set(key, Array.isArray(value) ? value.join(",") : String(value));
	}
	const text = q.toString();
	return `api/v1${path}${text && "?" + text}`;
}

export function authorized(init: RequestInit = {}): RequestInit {
	const headers = new Headers(init.headers);
	if (token())
		headers.set("Authorization", `Bearer ${token()}`);
	return { ...init, headers, cache: "no-store", credentials: "same-origin" };
}

export async function problemOf(answer: Response): Promise<ApiError> {
	let problem: Record<string, unknown> = {};
	try {
		problem = (await answer.json()) as Record<string, unknown>;
	} catch { /* not JSON: the status has to do */ }
	const text = (key: string) => (typeof problem[key] === "string" ? (problem[key] as string) : "");
	const after = Number(answer.headers.get("Retry-After") ?? 0);
	const words = text("detail") || text("title") || `${answer.status} ${answer.statusText}`.trim();
	return new ApiError(answer.status, words, text("field"), Number.isFinite(after) ? after : 0,
		text("title"));
}

/** The answer as it is, where it is a success; else throws ApiError (or AbortError). */
export async function request(url: string, init: RequestInit = {}): Promise<Response> {
	let answer: Response;
	try {
		answer = await fetch(url, authorized(init));
	} catch (e) {
		if (e instanceof DOMException && e.name === "AbortError")
			throw e;
		throw new ApiError(0, "The gateway does not answer. This page goes on trying.");
	}
	if (answer.ok)
		return answer;
	const error = await problemOf(answer);
	if (error.status === 401)
		onUnauthorized(error);
	throw error;
}

/** JSON of the gateway, where null says the same as a key that is not there: there is one "absent". */
export function parse<T>(text: string): T {
	return JSON.parse(text, (_key, value: unknown) => (value === null ? undefined : value)) as T;
}

async function json<T>(url: string, init: RequestInit): Promise<T> {
	const answer = await request(url, init);
	const text = await answer.text();
	return text ? parse<T>(text) : ({} as T);
}
function withBody(method: string, body: unknown): RequestInit {
	if (body === undefined)
		return { method };
	return { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
}

/** A name or id as one part of a path. */
export const part = encodeURIComponent;

export const api = {
	get: <T>(path: string, query?: Query, signal?: AbortSignal) =>
		json<T>(address(path, query), { signal: signal ?? null }),
	post: <T>(path: string, body?: unknown, query?: Query) =>
		json<T>(address(path, query), withBody("POST", body)),
	put: <T>(path: string, body: unknown) => json<T>(address(path), withBody("PUT", body)),
	remove: <T>(path: string) => json<T>(address(path), { method: "DELETE" }),
	bytes: async (path: string, signal?: AbortSignal) => {
		const answer = await request(address(path), { signal: signal ?? null });
		return {
			data: new Uint8Array(await answer.arrayBuffer()),
			type: answer.headers.get("Content-Type") ?? "",
		};
	},
};

/** What to tell a person, whatever was thrown. */
export function sentence(e: unknown): string {
	if (e instanceof ApiError) {
		const where = e.field ? ` (${e.field})` : "";
		const again = e.retryAfter_s ? ` Try again in ${e.retryAfter_s} s.` : "";
		return `${e.message}${where}${again}`;
	}
	return e instanceof Error ? e.message : String(e);
}
