// A canary worked off: replays in stages, waits for how the tasks of each end, stops where the
// failure is back. It stands apart from the page because it goes on while other pages are looked at,
// and takes what it asks as functions, so that a test can play the system. Goes well: the last stage
// completes. Fails: an answer that does not come is asked for again by whoever passed the functions;
// what they throw ends the canary. Nothing is lost by an end at any moment: each letter is either
// still a dead letter or a task.
import type { Task } from "../types";
import type { DeadDone, DeadItem } from "../types_operate";
import {
	judge, sameFailure, STAGES, stageSize, type Stage, type Tally, type Verdict,
} from "./canary";

export const PAGE = 200; // letters replayed by one request
const LOOK_MS = 500;

export interface CanaryStage { stage: Stage; size: number; tally: Tally; verdict: Verdict }
export interface Canary {
	stages: CanaryStage[]; // those begun, and the one under way
	refused: DeadItem[]; // letters that could not be replayed: still there
	example: string; // the task whose death stopped it
	over: boolean;
	stopped: boolean; // by a person
	error: string;
}

type Ended = Pick<Task, "id" | "state" | "fingerprint">;
export interface CanarySystem {
	replay(limit: number, cursor: string): Promise<DeadDone>;
	/** Those of the awaited that have ended. */
	ended(ids: ReadonlySet<string>): Promise<Ended[]>;
	pause(ms: number): Promise<void>;
	asked(): boolean; // to stop
	tell(c: Canary): void;
}

/** Counts an end once, and forgets whom it was awaited of. */
function count(c: Canary, s: CanaryStage, awaited: Map<string, string>, task: Ended) {
	const failure = awaited.get(task.id);
	if (failure === undefined)
		return;
	awaited.delete(task.id);
	if (task.state === "completed") {
		s.tally.completed++;
	} else if (task.state === "dead" && sameFailure(task.fingerprint, failure)) {
		s.tally.same++;
		c.example ||= task.id;
	} else {
		s.tally.other++;
	}
}

async function look(c: Canary, s: CanaryStage, awaited: Map<string, string>, system: CanarySystem) {
	for (const task of await system.ended(new Set(awaited.keys())))
		count(c, s, awaited, task);
	s.verdict = judge(s.tally);
	system.tell({ ...c });
}

/** Replays a part of the stage; gives the cursor to go on at, "" where the selection is over. */
async function replay(c: Canary, s: CanaryStage, limit: number, cursor: string,
	awaited: Map<string, string>, system: CanarySystem) {
	const done = await system.replay(limit, cursor);
	const items = done.items ?? [];
	for (const item of items) {
		if ((item.outcome === "replayed" || item.outcome === "already") && item.retry_id)
			awaited.set(item.retry_id, item.fingerprint ?? "");
		else if (item.outcome === "failed")
			c.refused.push(item);
	}
	s.tally.replayed = s.tally.completed + s.tally.same + s.tally.other + awaited.size;
	s.verdict = "wait";
	system.tell({ ...c });
	return { worked: items.length, cursor: done.next_cursor ?? "" };
}

export async function runCanary(total: number, system: CanarySystem): Promise<Canary> {
	const c: Canary = { stages: [], refused: [], example: "", over: false, stopped: false, error: "" };
	let cursor = "", more = true;

	for (const stage of STAGES) {
		const size = stageSize(stage, total);
		if (size === 0 || !more || c.stopped)
			continue;
		const s: CanaryStage = {
			stage, size, verdict: "wait", tally: { replayed: 0, completed: 0, same: 0, other: 0 },
		};
		const awaited = new Map<string, string>();
		c.stages.push(s);
		for (let left = size; (left > 0 && more) || awaited.size > 0;) {
			c.stopped = system.asked();
			if (c.stopped)
				break;
			// No more is replayed while more than half a page has not shown how it ends.
			if (left > 0 && more && awaited.size <= PAGE / 2) {
				const part = await replay(c, s, Math.min(left, PAGE), cursor, awaited, system);
				left -= Math.min(part.worked, left);
				cursor = part.cursor;
				more = cursor !== "";
			}
			await look(c, s, awaited, system);
			if (s.verdict === "same")
				break;
			if (awaited.size > 0)
				await system.pause(LOOK_MS);
		}
		s.verdict = c.stopped && s.verdict === "wait" ? "wait" : judge(s.tally);
		if (c.stopped || s.verdict !== "go")
			break;
	}
	c.over = true;
	system.tell({ ...c });
	return c;
}
