// What the scaler decided and why; the lanes where most waits.
import { computed } from "@preact/signals";
import { count, plural } from "../format";
import { decisions, lanes, overview, scaler } from "../live";
import { href } from "../location";
import type { Lane } from "../types";
import { Badge } from "../ui/badge";
import { Card } from "../ui/card";
import { Empty } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { Ago } from "../ui/time";

const SHOWN = 8;
const TONES: Record<string, string> = {
	start: "good", adopt: "good", resume: "good", spawn: "good", undrain: "good",
	retire: "violet", drain: "violet", stop: "mute", gone: "mute", idle: "mute", terminate: "mute",
	target: "blue", lead: "blue", place: "blue",
	lost: "bad", crash: "bad", suspend: "bad", denied: "warn",
};

export function Decisions() {
	const s = scaler.value;
	return (
		<Card flush title="What the scaler decided" aside={s.leader
			? <span>{s.leader} leads since <Ago at={s.since_at} /></span>
			: "no scaler leads"}>
			{decisions.value.length === 0 ? (
				<Empty title="No decision yet">
					<p>{s.leader ? "The scaler watches; it says here what it changes and why."
						: "Without a scaler nodes are started by hand: millrace-node NAME."}</p>
				</Empty>
			) : (
				<ol class="decisions">
					{decisions.value.slice(0, SHOWN).map((d) => (
						<li key={d.id}>
							<span class="when"><Ago at={d.at} /></span>
							<Badge tone={TONES[d.action ?? ""] ?? "mute"}>{d.action}</Badge>
							<span class="what">
								<strong>{d.pool || "all"}</strong>
								{d.action === "target" && <> {d.from ?? 0} → {d.to ?? 0}</>}
								{d.node && <> <a href={href(`/nodes/${encodeURIComponent(d.node)}`)}>{d.node}</a></>}
								{d.agent && <> {d.agent}</>}
								{d.reason && <span class="reason">{d.reason}</span>}
							</span>
						</li>
					))}
				</ol>
			)}
		</Card>
	);
}

const busiest = computed(() => [...lanes.value]
	.sort((a, b) => (b.queued ?? 0) - (a.queued ?? 0) || (b.running ?? 0) - (a.running ?? 0))
	.slice(0, SHOWN));

const COLUMNS: Column<Lane>[] = [
	{
		name: "Lane", grow: true,
		cell: (l) => (
			<>
				<a href={href(`/lanes/${encodeURIComponent(l.name)}`)}>{l.name}</a>{" "}
				{l.paused && <Badge tone="warn">paused</Badge>}
				{!l.nodes && (l.queued ?? 0) > 0 && <Badge tone="bad">no node</Badge>}
			</>
		),
	},
	{ name: "Queued", right: true, cell: (l) => count(l.queued) },
	{ name: "Running", right: true, cell: (l) => count(l.running) },
	{ name: "Nodes", right: true, cell: (l) => count(l.nodes) },
];

export function Lanes() {
	const total = lanes.value.length;
	if (!total && !overview.value.totals?.submitted)
		return <FirstSteps />;
	return (
		<Card flush title="Where most waits" aside={<a href="#/lanes">{plural(total, "lane")}</a>}>
			<Table caption="Lanes with most waiting tasks" columns={COLUMNS} rows={busiest.value} rowKey={(l) => l.name}
				empty={<Empty title="No lanes"><p>A lane is made by its first task, and taken away when it has been empty for long.</p></Empty>} />
		</Card>
	);
}

function FirstSteps() {
	return (
		<Card title="The first task">
			<p>Nothing was submitted yet. From a shell:</p>
			<pre class="block">nats pub tasks.echo 'hello'{"\n"}millrace submit echo --data hello --wait</pre>
			<p>or <a href={href("/submit", { type: "echo" })}>here</a>.</p>
		</Card>
	);
}
