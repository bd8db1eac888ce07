// The filter of the task list. All of it stands in the page's address, so that it can be sent to others.
import { computed } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { lanes, nodes } from "../live";
import { setQuery } from "../location";
import { SINCE, type TaskFilter } from "../tasks_query";
import { TASK_STATES, type TaskState } from "../types";
import { Select, TextField } from "../ui/field";

const TYPING_MS = 300;

export const knownTypes = computed(() => {
	const types = new Set<string>();
	for (const l of lanes.value)
		types.add(l.type ?? l.name);
	for (const n of nodes.value)
		for (const t of n.types ?? [])
			types.add(t);
	return [...types].sort();
});
const laneNames = computed(() => lanes.value.map((l) => l.name));
const nodeNames = computed(() => nodes.value.map((n) => n.name));

/** A field whose words count once typing has paused. */
export function Word(p: { name: keyof TaskFilter; label: string; value: string; list?: readonly string[]; search?: boolean }) {
	const [text, setText] = useState(p.value);
	useEffect(() => setText(p.value), [p.value]);
	useEffect(() => {
		if (text === p.value)
			return;
		const timer = setTimeout(() => setQuery({ [p.name]: text.trim(), cursor: "" }), TYPING_MS);
		return () => clearTimeout(timer);
	}, [text]);
	return (
		<TextField label={p.label} value={text} onInput={setText} list={p.list} search={p.search} type="search"
			placeholder="any" onEnter={() => setQuery({ [p.name]: text.trim(), cursor: "" })} />
	);
}

export function Filters({ filter: f }: { filter: TaskFilter }) {
	const toggle = (state: TaskState) => {
		const states = f.states.includes(state) ? f.states.filter((s) => s !== state) : [...f.states, state];
		setQuery({ state: states.join(","), cursor: "" });
	};
	const since = f.after || f.before ? "between" : f.since;
	return (
		<div class="card filters" role="search" aria-label="Filter tasks">
			<div class="states" role="group" aria-label="States">
				<button type="button" aria-pressed={f.states.length === 0}
					onClick={() => setQuery({ state: "", cursor: "" })}>all</button>
				{TASK_STATES.map((s) => (
					<button type="button" key={s} class={s} aria-pressed={f.states.includes(s)} onClick={() => toggle(s)}>{s}</button>
				))}
			</div>
			<div class="words">
				<Word name="type" label="Type" value={f.type} list={knownTypes.value} search />
				<Word name="lane" label="Lane" value={f.lane} list={laneNames.value} />
				<Word name="node" label="Node" value={f.node} list={nodeNames.value} />
				<Word name="project" label="Project" value={f.project} />
				<Select label="Submitted" value={since} options={SINCE}
					onChange={(v) => setQuery({ since: v, after: "", before: "", cursor: "" })} />
				{since === "between" && (
					<>
						<TextField label="From" type="datetime-local" value={f.after}
							onInput={(v) => setQuery({ after: v, cursor: "" })} />
						<TextField label="To" type="datetime-local" value={f.before}
							onInput={(v) => setQuery({ before: v, cursor: "" })} />
					</>
				)}
			</div>
		</div>
	);
}
