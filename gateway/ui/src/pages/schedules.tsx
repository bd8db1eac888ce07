// What is submitted at set times.
import { useState } from "preact/hooks";
import { api, part } from "../api";
import { count, plural } from "../format";
import { nodes } from "../live";
import { useLoad } from "../load";
import { taskHref } from "../location";
import { AddSchedule } from "../parts/schedule_form";
import type { Schedule } from "../types_operate";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card, Page } from "../ui/card";
import { confirm } from "../ui/dialog";
import { Empty, Failed, Loading, Stale } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { Ago } from "../ui/time";
import { done } from "../ui/toast";

const at = (s: Schedule, verb: string) => `/schedules/${part(s.name)}/${verb}`;

function Acts({ schedule: s, after }: { schedule: Schedule; after: () => void }) {
	const run = async () => {
		const { id } = await api.post<{ id: string }>(at(s, "run"), {});
		done(<>{s.name}: submitted <a class="mono" href={taskHref(id)}>{id}</a></>);
		after();
	};
	const change = async (verb: "pause" | "resume") => {
		await api.post(at(s, verb), {});
		done(`${s.name}: ${verb}d`);
		after();
	};
	const remove = async () => {
		const sure = await confirm({
			title: `Remove ${s.name}?`,
			text: "It ticks no more. Tasks that it has submitted go on.",
			yes: `Remove ${s.name}`, danger: true,
		});
		if (!sure)
			return;
		await api.remove(`/schedules/${part(s.name)}`);
		done(`${s.name}: removed`);
		after();
	};
	return (
		<span class="acts">
			<Button small icon="play" scope="operate" label={`Run now: ${s.name}`} title="Submits its task now, beside its ticks" onClick={run}>Run now</Button>
			{s.paused
				? <Button small icon="play" kind="quiet" scope="operate" label={`Resume ${s.name}`} onClick={() => change("resume")}>Resume</Button>
				: <Button small icon="pause" kind="quiet" scope="operate" label={`Pause ${s.name}`} onClick={() => change("pause")}>Pause</Button>}
			<Button small icon="trash" kind="quiet" scope="operate" label={`Remove ${s.name}`} onClick={remove}>Remove</Button>
		</span>
	);
}

function columns(after: () => void): Column<Schedule>[] {
	return [
		{ name: "Name", sort: (s) => s.name, cell: (s) => <span class="mono">{s.name}</span> },
		{ name: "When", cell: (s) => <><code>{s.cron}</code> <span class="mute">{s.cron.startsWith("@every") ? "" : s.tz || "UTC"}</span></> },
		{ name: "Type", wide: true, sort: (s) => s.type ?? "", cell: (s) => <span class="mono">{s.type}</span> },
		{
			name: "State", cell: (s) => (s.error
				? <span title={s.error}><Badge tone="bad">does not tick</Badge></span>
				: s.paused ? <Badge tone="warn">paused</Badge> : <Badge tone="good">ticks</Badge>),
		},
		{ name: "Next", sort: (s) => s.next_tick_at ?? "~", cell: (s) => (s.paused ? <span class="mute">–</span> : <Ago at={s.next_tick_at} />) },
		{
			name: "Last", wide: true, sort: (s) => s.last_tick_at ?? "",
			cell: (s) => (s.last_task ? <a href={taskHref(s.last_task)} title={s.last_task}><Ago at={s.last_tick_at} /></a> : <span class="mute">–</span>),
		},
		{ name: "Ticks", right: true, wide: true, sort: (s) => s.ticks ?? 0, cell: (s) => count(s.ticks) },
		{ name: "Missed", wide: true, cell: (s) => s.catch_up || "none" },
		{ name: "Act", head: <span class="hidden">Act</span>, right: true, cell: (s) => <Acts schedule={s} after={after} /> },
	];
}

export function SchedulesPage() {
	const { data, error, loading, stale, reload } = useLoad<{ schedules?: Schedule[] }>("/schedules", undefined, 5000);
	const [adding, setAdding] = useState(false);
	const rows = data?.schedules ?? [];
	const broken = rows.filter((s) => s.error);
	const types = [...new Set(nodes.value.flatMap((n) => n.types ?? []))].sort();
	return (
		<Page title="Schedules" text="Each tick is one task, however many routers run."
			actions={<Button icon="submit" kind="primary" scope="operate" onClick={() => setAdding(true)}>New schedule…</Button>}>
			{broken.map((s) => (
				<section class="banner bad" key={s.name} role="status"><div><strong>{s.name} does not tick.</strong> {s.error}</div></section>
			))}
			<Card flush title="Schedules" aside={data && plural(rows.length, "schedule")}>
				{stale && <Stale error={error} />}
				{loading && <Loading what="Asking for schedules" />}
				{error && !data && <Failed error={error} retry={reload} />}
				{data && <Table caption="Schedules" columns={columns(reload)} rows={rows} rowKey={(s) => s.name} sortBy="Name"
					empty={<Empty title="Nothing is scheduled"><p>A schedule submits a task at set times, such as <code>30 2 * * *</code> or <code>@every 90s</code>.</p></Empty>} />}
			</Card>
			{adding && <AddSchedule types={types} onClose={() => setAdding(false)} onDone={reload} />}
		</Page>
	);
}
