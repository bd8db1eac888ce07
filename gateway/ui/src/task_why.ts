// Why a task is not running: what stands in its way, from the task, its lane and the nodes that are
// there. Pure; the page shows the sentences and, where there is one, what to do.
import { ago, count, millis, plural } from "./format";
import { servers, whyNobody } from "./parts/lane_trouble";
import type { Lane, Node, Task } from "./types";

export interface Reason { what: string; remedy?: string; link?: readonly [href: string, text: string] }

const lower = (headers: Record<string, string> | undefined, name: string) =>
	Object.entries(headers ?? {}).find(([k]) => k.toLowerCase() === name)?.[1] ?? "";

export function whyWaiting(t: Task, lane: Lane | undefined, nodes: readonly Node[], now: number): Reason[] {
	if (t.state === "scheduled") {
		const due = millis(t.due_at);
		const when = Number.isNaN(due) ? "" : due <= now ? "It is due now." : `It is due ${ago(t.due_at, now)}.`;
		if (t.error)
			return [{ what: `${t.error}${/[.!?]$/.test(t.error) ? "" : "."} ${when}`.trim() }];
		const attempt = t.attempt ?? 0; // the one that is to come
		if (attempt > 1)
			return [{ what: `Attempt ${attempt - 1} of ${t.attempts ?? "?"} failed; the next one waits for its time. ${when}`.trim() }];
		return [{ what: `It was submitted for a later time. ${when}`.trim() }];
	}
	if (t.state !== "queued")
		return [];
	const reasons: Reason[] = [];
	const to = lane && ([`#/lanes/${encodeURIComponent(lane.name)}`, `Lane ${lane.name}`] as const);
	if (lane?.paused)
		reasons.push({
			what: `Lane ${lane.name} is paused${lane.reason ? `: ${lane.reason}` : ""}.` +
				(lane.until_at ? ` It goes on ${ago(lane.until_at, now)}.` : ""),
			remedy: lane.until_at ? undefined : "Resume it when it may go on.", link: to,
		});
	const wanted = lower(t.headers, "task-node").replace(/\?$/, "") || t.node || "";
	if (wanted && !nodes.some((n) => n.name === wanted && n.state !== "lost" && n.state !== "stopped"))
		reasons.push({ what: `It was given to node ${wanted}, which is not there.`, remedy: "Start that node, or reassign the task." });
	if (lane && !lane.nodes && !wanted && servers(lane, nodes).length === 0)
		reasons.push({ ...whyNobody(lane, nodes), link: to });
	if (lane?.concurrency && (lane.running ?? 0) >= lane.concurrency)
		reasons.push({ what: `Lane ${lane.name} runs ${count(lane.concurrency)} at once and no more.`, remedy: "Raise its limit.", link: to });
	if (lane?.rate_per_s)
		reasons.push({ what: `Lane ${lane.name} begins ${lane.rate_per_s} a second and no more.`, link: to });
	if (lane?.key_concurrency && t.project)
		reasons.push({ what: `Lane ${lane.name} runs ${count(lane.key_concurrency)} of a project at once and no more.`, link: to });
	if (reasons.length === 0 && lane?.nodes) {
		const serving = servers(lane, nodes);
		const slots = serving.reduce((sum, n) => sum + (n.slots ?? 0), 0);
		const used = serving.reduce((sum, n) => sum + (n.used ?? 0), 0);
		if (slots > 0 && used >= slots)
			reasons.push({
				what: `All ${plural(slots, "slot")} of the ${plural(serving.length, "node")} that serve it are in use, and ${plural(lane.queued ?? 0, "task")} wait on its lane.`,
				remedy: "It begins when a slot is free; more nodes make it sooner.", link: to,
			});
		else
			reasons.push({ what: `${plural(lane.queued ?? 0, "task")} wait on its lane; ${plural(lane.nodes, "node")} serve it.`, link: to });
	}
	return reasons;
}
