// Doing something to many tasks: finding them, and telling them one after the other with few requests
// at a time. What fails is counted and told; what goes on is stopped by the signal.
import { api, part, sentence } from "./api";
import { cancelGroup, FINISHED, taskQuery, UNFINISHED, type TaskFilter } from "./tasks_query";
import type { Task, TaskCancelled, TaskPage, TaskRetried } from "./types";

export type What = "cancel" | "retry";
export const COLLECT_MAX = 10_000;
const PAGE = 1000;
const AT_ONCE = 6;

/** What is to be done, and to how many: told by ids, or as a group that the store looks up itself. */
export interface Plan { what: What; matched: number; more: boolean; ids: string[]; group: Record<string, string> | null }
export interface Tally { done: number; ending: number; skipped: number; failed: number; firstFault: string }

export const states = (what: What) => (what === "cancel" ? UNFINISHED : FINISHED);

export function planChosen(what: What, tasks: readonly Task[]): Plan {
	const ids = tasks.filter((t) => states(what).includes(t.state)).map((t) => t.id);
	return { what, matched: ids.length, more: false, ids, group: null };
}

/** Asks how many match, and changes nothing. */
export async function planFilter(what: What, f: TaskFilter, on: (n: number) => void, signal: AbortSignal): Promise<Plan> {
	const group = what === "cancel" ? cancelGroup(f) : null;
	if (group) {
		const dry = await api.post<TaskCancelled>("/tasks/cancel", { ...group, dry: true });
		return { what, matched: dry.matched ?? 0, more: false, ids: [], group };
	}
	const wanted = states(what).filter((s) => !f.states.length || f.states.includes(s));
	const ids: string[] = [];
	let cursor = "";
	if (wanted.length === 0)
		return { what, matched: 0, more: false, ids, group: null };
	const query = taskQuery({ ...f, states: [...wanted] }, Date.now());
	do {
		const page = await api.get<TaskPage>("/tasks", { ...query, limit: PAGE, cursor }, signal);
		for (const t of page.tasks ?? [])
			ids.push(t.id);
		cursor = page.next_cursor ?? "";
		on(ids.length);
	} while (cursor && ids.length < COLLECT_MAX);
	return { what, matched: ids.length, more: cursor !== "", ids, group: null };
}

export async function carryOut(plan: Plan, on: (n: number) => void, signal: AbortSignal): Promise<Tally> {
	const tally: Tally = { done: 0, ending: 0, skipped: 0, failed: 0, firstFault: "" };
	const fault = (e: unknown, n: number) => {
		tally.failed += n;
		tally.firstFault ||= sentence(e);
	};
	if (plan.group) {
		const answer = await api.post<TaskCancelled>("/tasks/cancel", plan.group);
		tally.done = answer.matched ?? plan.matched;
	} else if (plan.what === "cancel") {
		for (let i = 0; i < plan.ids.length && !signal.aborted; i += PAGE) {
			const ids = plan.ids.slice(i, i + PAGE);
			try {
				const answer = await api.post<TaskCancelled>("/tasks/cancel", { ids });
				for (const t of answer.tasks ?? []) {
					if (t.what === "cancelled")
						tally.done++;
					else if (t.what === "ending")
						tally.ending++;
					else
						tally.skipped++;
				}
			} catch (e) {
				fault(e, ids.length);
			}
			on(Math.min(i + PAGE, plan.ids.length));
		}
	} else {
		let next = 0;
		const worker = async () => {
			while (next < plan.ids.length && !signal.aborted) {
				const id = plan.ids[next++]!;
				try {
					const answer = await api.post<TaskRetried>(`/tasks/${part(id)}/retry`);
					if (answer.again)
						tally.skipped++;
					else
						tally.done++;
				} catch (e) {
					fault(e, 1);
				}
				on(tally.done + tally.skipped + tally.failed);
			}
		};
		await Promise.all(Array.from({ length: AT_ONCE }, worker));
	}
	return tally;
}
