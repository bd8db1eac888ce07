// Where the page is: the hash, "#/tasks?state=dead". One signal; links are plain <a href>.
import { computed, signal } from "@preact/signals";

export interface Place { path: string; query: URLSearchParams }

export function parseHash(hash: string): Place {
	const text = hash.replace(/^#/, "") || "/";
	const mark = text.indexOf("?");
	const path = mark < 0 ? text : text.slice(0, mark);
	return {
		path: path.startsWith("/") ? path : `/${path}`,
		query: new URLSearchParams(mark < 0 ? "" : text.slice(mark + 1)),
	};
}

export type Params = Record<string, string | number | undefined>;

/** "/tasks", {state: "dead"} → "#/tasks?state=dead"; empty values are left out. */
export function href(path: string, query: Params = {}): string {
	const q = new URLSearchParams();
	for (const [key, value] of Object.entries(query))
		if (value !== undefined && value !== "")
			q.set(key, String(value));
	const text = q.toString();
	return `#${path}${text && "?" + text}`;
}
export const taskHref = (id: string) => href(`/tasks/${encodeURIComponent(id)}`);

const hash = signal(typeof location === "undefined" ? "" : location.hash);
export const place = computed(() => parseHash(hash.value));

export function go(to: string) { location.hash = to; }

/** Sets keys of the query ("" takes one away) without a new entry in the browser's history. */
export function setQuery(changes: Params) {
	const now = parseHash(location.hash);
	const all: Params = Object.fromEntries(now.query);
	const to = href(now.path, { ...all, ...changes });
	history.replaceState(null, "", to);
	hash.value = to;
}

/** "/tasks/:id" against "/tasks/a%20b" → {id: "a b"}; null where it does not fit. */
export function match(pattern: string, path: string): Record<string, string> | null {
	const want = pattern.split("/");
	const have = path.replace(/(.)\/$/, "$1").split("/");
	if (want.length !== have.length)
		return null;
	const found: Record<string, string> = {};
	for (const [i, w] of want.entries()) {
		const h = have[i] ?? "";
		if (w.startsWith(":")) {
			try {
				found[w.slice(1)] = decodeURIComponent(h);
			} catch {
				return null;
			}
		} else if (w !== h) {
			return null;
		}
	}
	return found;
}

export function startLocation() {
	// The page is also under /cluster, for those who know that address: live agents and healing.
	if (!location.hash && /\/cluster\/?$/.test(location.pathname))
		history.replaceState(null, "", "#/health");
	hash.value = location.hash;
	window.addEventListener("hashchange", () => { hash.value = location.hash; });
}
