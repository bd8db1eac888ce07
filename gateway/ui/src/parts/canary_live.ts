// The canary under way: one at a time, it goes on while other pages of this tab are looked at. What it
// asks is asked of the gateway; an answer that does not come is waited for, as nothing here minds being
// asked twice (a letter is replayed once).
import { signal } from "@preact/signals";
import { api, ApiError, part, sentence } from "../api";
import type { Task, TaskPage } from "../types";
import type { DeadDone, DeadGroups, DeadSelect } from "../types_operate";
import { runCanary, type Canary, type CanarySystem } from "./canary_run";

export interface Running { select: DeadSelect; total: number; name: string; canary: Canary }
export const canary = signal<Running | null>(null);

const GIVE_UP_MS = 120_000;
const pause = (ms: number) => new Promise<void>((go) => { setTimeout(go, ms); });
let stop = false;

/** Asks until there is an answer; what is refused is refused. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
	for (let waited = 0; ;) {
		try {
			return await ask();
		} catch (e) {
			const passes = e instanceof ApiError && (e.unavailable || e.status === 429);
			if (!passes || waited > GIVE_UP_MS)
				throw e;
			const wait = Math.max(1000, e.retryAfter_s * 1000);
			waited += wait;
			await pause(wait);
		}
	}
}

/** Ends of tasks: of one by its id, of many by the list of its type since the first was submitted. */
class Ends {
	private since = "";
	constructor(private readonly type: string) {}

	async of(ids: ReadonlySet<string>): Promise<Task[]> {
		const first = [...ids][0];
		if (first === undefined)
			return [];
		if (ids.size === 1 || !this.since || !this.type) {
			const found = await Promise.all([...ids].slice(0, 20).map((id) => this.one(id)));
			return found.filter((t): t is Task => t !== null && ["completed", "dead", "cancelled"].includes(t.state));
		}
		const ended: Task[] = [];
		for (let cursor = ""; ;) {
			const page = await patiently(() => api.get<TaskPage>("/tasks", {
				type: this.type, state: ["completed", "dead", "cancelled"], after: this.since, limit: 1000, cursor,
			}));
			ended.push(...(page.tasks ?? []).filter((t) => ids.has(t.id)));
			cursor = page.next_cursor ?? "";
			if (!cursor)
				return ended;
		}
	}

	private async one(id: string): Promise<Task | null> {
		try {
			const task = await patiently(() => api.get<Task>(`/tasks/${part(id)}`));
			if (task.submitted_at && (!this.since || task.submitted_at < this.since))
				this.since = task.submitted_at;
			return task;
		} catch (e) {
			if (e instanceof ApiError && e.status === 404)
				return null; // not stored yet
			throw e;
		}
	}
}

/** Letters of the selection. */
async function count(select: DeadSelect, shown: number): Promise<number> {
	let n = 0;
	for (let cursor = ""; ;) {
		const page = await patiently(() => api.get<DeadGroups>("/dead/groups",
			{ type: select.type, fingerprint: select.fingerprint, cursor }));
		n += page.letters ?? 0;
		cursor = page.next_cursor ?? "";
		if (!cursor)
			return n || shown;
	}
}

export function stopCanary() { stop = true; }

export async function startCanary(select: DeadSelect, type: string, total: number, name: string) {
	const ends = new Ends(type);
	const start: Canary = { stages: [], refused: [], example: "", over: false, stopped: false, error: "" };
	stop = false;
	canary.value = { select, total, name, canary: start };
	try {
		// What the page shows may be some seconds old, and letters have come.
		total = await count(select, total);
	} catch (e) {
		canary.value = { select, total, name, canary: { ...start, over: true, error: sentence(e) } };
		return;
	}
	const show = (c: Canary) => { canary.value = { select, total, name, canary: c }; };
	const system: CanarySystem = {
		replay: (limit, cursor) => patiently(() => api.post<DeadDone>("/dead/replay",
			{ ...select, limit, by: "dashboard", ...(cursor && { cursor }) })),
		ended: (ids) => ends.of(ids),
		pause,
		asked: () => stop,
		tell: show,
	};
	try {
		await runCanary(total, system);
	} catch (e) {
		show({ ...canary.value.canary, over: true, error: sentence(e) });
	}
}
