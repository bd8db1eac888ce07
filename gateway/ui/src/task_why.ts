// Why a task is not running: what stands in its way, from the task, its lane and the nodes that are
// there. Pure; the page shows the sentences and, where there is one, what to do.
import { ago, count, millis, plural } from "./format";
import type { Lane, Node, Task } from "./types";

export interface Reason { what: string; remedy?: string; link?: readonly [href: string, text: string] }

const lower = (headers: Record<string, string> | undefined, name: string) =>
	Object.entries(headers ?? {}).find(([k]) => k.toLowerCase() === name)?.[1] ?? "";

/** The capabilities in a lane's name: "type--a--b" → ["a", "b"]. */
export function requiresOf(lane: string): string[] { return lane.split("--").slice(1); }

function noNode(lane: string, type: string, nodes: readonly Node[]): Reason {
	const requires = requiresOf(lane);
	const alive = nodes.filter((n) => n.state === "ready");
	if (alive.length === 0)
		return { what: "No node is there.", remedy: "Start one: millrace-node NAME." };
	const ofType = alive.filter((n) => n.bridge || (n.types ?? []).includes(type));
	if (ofType.length === 0)
		return {
			what: `None of the ${plural(alive.length, "node")} has a handler for ${type}.`,
			remedy: `Give a node a handler for ${type}, or answer on handle.${type} behind a node started with --bridge.`,
		};
	const missing = requires.filter((r) => !ofType.some((n) => (n.capabilities ?? []).includes(r)));
	if (missing.length > 0)
		return {
			what: `No node that has ${type} has the capability ${missing.join(", ")}.`,
			remedy: `Start one with it: millrace-node NAME --capabilities ${requires.join(",")}.`,
		};
	return {
		what: `No single node has ${requires.join(" and ") || "what it needs"} together.`,
		remedy: `Start one that has: millrace-node NAME --capabilities ${requires.join(",")}.`,
	};
}

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
	const name = t.lane ?? lane?.name ?? t.type;
	if (lane && !lane.nodes && !wanted)
		reasons.push(noNode(name, t.type, nodes));
	if (lane?.concurrency && (lane.running ?? 0) >= lane.concurrency)
		reasons.push({ what: `Lane ${lane.name} runs ${count(lane.concurrency)} at once and no more.`, remedy: "Raise its limit.", link: to });
	if (lane?.rate_per_s)
		reasons.push({ what: `Lane ${lane.name} begins ${lane.rate_per_s} a second and no more.`, link: to });
	if (lane?.key_concurrency && t.project)
		reasons.push({ what: `Lane ${lane.name} runs ${count(lane.key_concurrency)} of a project at once and no more.`, link: to });
	if (reasons.length === 0 && lane?.nodes) {
		const serving = nodes.filter((n) => n.state === "ready" && ((n.types ?? []).includes(t.type) || n.bridge) &&
			requiresOf(name).every((r) => (n.capabilities ?? []).includes(r)));
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
