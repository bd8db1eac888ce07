// What happens to tasks, as it happens: the newest lines first, at most LINES_MAX. A stream of its own,
// as only this page wants it; held back while paused, which loses nothing but what is over the bound.
import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { parse } from "../api";
import { count, plural } from "../format";
import { href, place, setQuery, taskHref } from "../location";
import { EventStream, type StreamState } from "../stream";
import { TASK_STATES, type TaskState } from "../types";
import type { TailBatch } from "../types_operate";
import { StateBadge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card, Page } from "../ui/card";
import { Choice } from "../ui/field";
import { Empty } from "../ui/states";
import { Time } from "../ui/time";
import { knownTypes, Word } from "./tasks_filter";

const LINES_MAX = 300;

interface Line { key: number; at: string; id: string; type: string; state: TaskState | undefined }

function makeTail() {
	const lines = signal<readonly Line[]>([]);
	const held = signal<readonly Line[]>([]);
	const paused = signal(false);
	const seen = signal(0);
	const left_out = signal(0);
	const state = signal<{ state: StreamState; why: string }>({ state: "connecting", why: "" });
	let next = 1;
	const take = (batch: TailBatch) => {
		const at = new Date().toISOString();
		const fresh = (batch.tasks ?? []).map((t): Line => ({
			key: next++, at, id: t.id, type: t.type ?? "", state: t.state,
		})).reverse();
		seen.value += fresh.length + (batch.more ?? 0);
		left_out.value += batch.more ?? 0;
		const into = paused.value ? held : lines;
		into.value = [...fresh, ...into.value].slice(0, LINES_MAX);
	};
	const resume = () => {
		lines.value = [...held.value, ...lines.value].slice(0, LINES_MAX);
		held.value = [];
		paused.value = false;
	};
	const clear = () => {
		lines.value = [];
		held.value = [];
		seen.value = 0;
		left_out.value = 0;
	};
	return { lines, held, paused, seen, left_out, state, take, resume, clear };
}

export function TailPage() {
	const query = place.value.query;
	const type = query.get("type") ?? "";
	const state = query.get("state") ?? "";
	const tail = useMemo(makeTail, []);
	useEffect(() => {
		const q = new URLSearchParams({ feed: "tasks" });
		if (type)
			q.set("type", type);
		if (state)
			q.set("state", state);
		const stream = new EventStream({
			url: () => `events?${q}`,
			on: (e) => { if (e.event === "tasks") tail.take(parse<TailBatch>(e.data)); },
			state: (s, why) => { tail.state.value = { state: s, why }; },
		});
		tail.clear();
		stream.open();
		return () => stream.close();
	}, [type, state]);
	const { lines, held, paused } = tail;
	return (
		<Page title="Live tail" text="Every change of a task's state, as the store has written it."
			actions={<>
				{paused.value
					? <Button icon="play" kind="primary" onClick={tail.resume}>{held.value.length ? `Go on (${held.value.length} new)` : "Go on"}</Button>
					: <Button icon="pause" onClick={() => { paused.value = true; }}>Pause</Button>}
				<Button onClick={tail.clear}>Clear</Button>
			</>}>
			<div class="card filters">
				<div class="tail-filter">
					<Word name="type" label="Type" value={type} list={knownTypes.value} search />
					<Choice label="State" value={state} onChange={(v) => setQuery({ state: v })}
						options={[["", "all"], ...TASK_STATES.map((s) => [s, s] as const)]} />
				</div>
			</div>
			<Card flush aside={<Words tail={tail} />}>
				{lines.value.length === 0 ? (
					<Empty title={tail.state.value.state === "live" ? "Nothing has happened yet" : "Connecting"}>
						<p>{tail.state.value.why || <>Try <code>millrace submit echo --data hello</code>, or <a href={href("/submit", { type: "echo" })}>submit one here</a>.</>}</p>
					</Empty>
				) : (
					<div class="table-box" tabIndex={0} role="region" aria-label="Changes">
						<table class="tail">
							<caption class="hidden">Changes of tasks, newest first</caption>
							<thead><tr><th scope="col">Time</th><th scope="col">State</th><th scope="col">Type</th><th scope="col">Task</th></tr></thead>
							<tbody>
								{lines.value.map((l) => (
									<tr key={l.key}>
										<td class="mute"><Time at={l.at} /></td>
										<td><StateBadge state={l.state} /></td>
										<td>{l.type}</td>
										<td class="grow"><a class="mono" href={taskHref(l.id)}>{l.id}</a></td>
									</tr>
								))}
							</tbody>
						</table>
					</div>
				)}
			</Card>
		</Page>
	);
}

function Words({ tail }: { tail: ReturnType<typeof makeTail> }) {
	const { state, why } = tail.state.value;
	return (
		<span>
			{state !== "live" && <span class="bad-text">{why || "connecting"} · </span>}
			{plural(tail.seen.value, "change")}
			{tail.left_out.value > 0 && `, ${count(tail.left_out.value)} of them too many to list`}
			{tail.paused.value && " · paused"}
		</span>
	);
}
