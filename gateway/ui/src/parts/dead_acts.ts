// What can be done about dead letters. A selection is worked off page by page; letters that could not
// be replayed are told and stay.
import { api } from "../api";
import { plural } from "../format";
import type { DeadDone, DeadItem, DeadSelect } from "../types_operate";
import { confirm } from "../ui/dialog";
import { done, failed } from "../ui/toast";

const PAGE = 500;
const BY = "dashboard";

export interface Worked { replayed: number; already: number; discarded: number; failed: DeadItem[] }

/** max letters of the selection, or all. */
export async function workOff(verb: "replay" | "discard", select: DeadSelect, max = Infinity): Promise<Worked> {
	const w: Worked = { replayed: 0, already: 0, discarded: 0, failed: [] };
	let cursor = "";
	for (let left = max; left > 0;) {
		const one = Boolean(select.id);
		const answer = await api.post<DeadDone>(`/dead/${verb}`, {
			...select, by: BY, ...(!one && { limit: Math.min(PAGE, left) }), ...(cursor && { cursor }),
		});
		w.replayed += answer.replayed ?? 0;
		w.already += answer.already ?? 0;
		w.discarded += answer.discarded ?? 0;
		w.failed.push(...(answer.items ?? []).filter((i) => i.outcome === "failed"));
		left -= Math.max(1, answer.items?.length ?? 0);
		cursor = answer.next_cursor ?? "";
		if (!cursor || one)
			break;
	}
	return w;
}

function tell(w: Worked, verb: "replay" | "discard") {
	if (w.failed.length)
		failed(new Error(`${plural(w.failed.length, "letter")} could not be ${verb}ed and stay: ${w.failed[0]!.error ?? ""}`));
	if (verb === "discard" && w.discarded)
		done(`${plural(w.discarded, "letter")} discarded`);
	if (verb === "replay" && w.replayed + w.already)
		done(`${plural(w.replayed, "task")} replayed${w.already ? `, ${w.already} had been before` : ""}`);
}

export async function replay(select: DeadSelect, n: number): Promise<boolean> {
	const sure = n === 1 || await confirm({
		title: `Replay ${plural(n, "letter")} at once?`,
		text: "Each becomes a new task. A canary tries one, then 10 %, then the rest, and stops if the failure is back.",
		yes: `Replay ${plural(n, "letter")}`,
	});
	if (sure)
		tell(await workOff("replay", select), "replay");
	return sure;
}

export async function discard(select: DeadSelect, n: number): Promise<boolean> {
	const sure = await confirm({
		title: `Discard ${plural(n, "letter")}?`,
		text: "That can't be undone. The rows of the tasks stay; only replaying is over.",
		yes: `Discard ${plural(n, "letter")}`, danger: true,
	});
	if (sure)
		tell(await workOff("discard", select), "discard");
	return sure;
}
