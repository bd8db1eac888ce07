// One lane: its figures, what keeps its tasks from being done, which nodes serve it and why others do not.
import { useState } from "preact/hooks";
import { part } from "../api";
import { bytes, count, plural, rate } from "../format";
import { at, health, lanes, nodes } from "../live";
import { href } from "../location";
import type { Lane, Node } from "../types";
import { Chips, StateBadge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card, Facts, Meter, Page, Stat } from "../ui/card";
import { Empty, Loading } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { Ago, Time } from "../ui/time";
import { DepthKey, DepthBar } from "./depth_bar";
import { LimitLane, PauseLane, PurgeLane } from "./lane_forms";
import { laneRates } from "./lane_live";
import { LaneState, resumeLane } from "./lane_state";
import { lacking, laneTrouble } from "./lane_trouble";

function whyNot(node: Node, lane: Lane): string {
	if (!(node.types ?? []).includes(lane.type ?? ""))
		return node.bridge ? "a bridge: serves it if handle." + lane.type + " is answered" : `no handler for ${lane.type}`;
	const missing = lacking(node, lane.requires ?? []);
	if (missing.length)
		return `lacks ${missing.join(", ")}`;
	return node.state === "ready" ? "" : `is ${node.state}`;
}

function Servers({ lane }: { lane: Lane }) {
	const rows = nodes.value.map((node) => ({ node, why: whyNot(node, lane) }))
		.sort((a, b) => Number(a.why !== "") - Number(b.why !== ""));
	const columns: Column<(typeof rows)[number]>[] = [
		{ name: "Node", cell: ({ node }) => <a class="mono" href={href(`/nodes/${part(node.name)}`)}>{node.name}</a> },
		{ name: "State", cell: ({ node }) => <StateBadge state={node.state} /> },
		{
			name: "Slots", cell: ({ node }) => (
				<span class="slots"><Meter value={(node.used ?? 0) / (node.slots || 1)} label={`${node.used ?? 0} of ${node.slots ?? 0} slots are used`} />
					{node.used ?? 0}/{node.slots ?? 0}</span>
			),
		},
		{ name: "Serves it", grow: true, cell: ({ why }) => (why ? <span class="mute">no: {why}</span> : "yes") },
	];
	return (
		<Card flush title="Nodes" aside={plural(lane.nodes ?? 0, "node serves it", "nodes serve it")}>
			<Table caption="Nodes, and whether they serve the lane" columns={columns} rows={rows}
				rowKey={({ node }) => node.name} empty={<Empty title="No node is running" />} />
		</Card>
	);
}

type Form = "pause" | "limits" | "purge" | "";

export function LaneDetail({ name }: { name: string }) {
	const [form, setForm] = useState<Form>("");
	const lane = lanes.value.find((l) => l.name === name);
	if (!lane) {
		return (
			<Page title={name} text={<a href="#/lanes">All lanes</a>}>
				{at.value ? <Empty title={`There is no lane ${name}`}><p>Its first task makes it.</p></Empty>
					: <Loading what="Waiting for the first news" />}
			</Page>
		);
	}
	const trouble = laneTrouble(lane, nodes.value);
	// What the gateway found, too, stands above every page.
	const told = health.value?.problems?.some((p) => p.what.split(/[\s:"“”]+/).includes(name));
	const speed = laneRates.value.get(name);
	const close = () => setForm("");
	const actions = (
		<>
			{lane.paused
				? <Button icon="play" kind="primary" scope="operate" onClick={() => resumeLane(name)}>Resume</Button>
				: <Button icon="pause" scope="operate" onClick={() => setForm("pause")}>Pause…</Button>}
			<Button icon="edit" scope="operate" onClick={() => setForm("limits")}>Limits…</Button>
			<Button icon="trash" kind="danger" scope="operate" disabled={!lane.queued || lane.purging}
				title={lane.queued ? "" : "Nothing waits on it"} onClick={() => setForm("purge")}>Purge…</Button>
		</>
	);
	return (
		<Page title={<span class="mono">{name}</span>} actions={actions}
			text={<><a href="#/lanes">Lanes</a> · <a href={href("/tasks", { lane: name })}>its tasks</a></>}>
			{trouble && !told && (
				<section class={`banner ${trouble.level === "critical" ? "bad" : "warn"}`} role="status">
					<div><strong>{trouble.what}</strong><span class="remedy">{trouble.remedy}</span></div>
				</section>
			)}
			<div class="stats">
				<Stat name="Waiting" value={count(lane.queued)}
					note={lane.oldest_at ? <>oldest message <Ago at={lane.oldest_at} /></> : lane.queued || lane.running ? null : "nothing lies here"} />
				<Stat name="Running" value={count(lane.running)} />
				<Stat name="Scheduled" value={count(lane.scheduled)} note="wait for their time" />
				<Stat name="Come" value={speed ? `${rate(speed.in_s)} /s` : "–"} />
				<Stat name="End" value={speed ? `${rate(speed.out_s)} /s` : "–"} />
			</div>
			<Card title="Lane" aside={<LaneState lane={lane} nodes={nodes.value} />}>
				<Facts of={[
					["Type", <span class="mono">{lane.type}</span>],
					["Requires", <Chips of={lane.requires} none="nothing" />],
					["Waiting, by class", <><DepthBar lane={lane} deepest={lane.queued ?? 0} /> <DepthKey /></>],
					["Size", bytes(lane.bytes)],
					["Depth", lane.limit ? count(lane.limit) : "unlimited"],
					["Rate", lane.rate_per_s ? `${rate(lane.rate_per_s)} /s` : "no limit"],
					["Concurrency", lane.concurrency ? count(lane.concurrency) : "no limit"],
					["Per key", lane.key_concurrency ? count(lane.key_concurrency) : "no limit"],
					["Paused", lane.paused ? lane.reason || "no reason given" : null],
					["Until", lane.paused ? (lane.until_at ? <Time at={lane.until_at} /> : "it is resumed") : null],
					["Purged", lane.purged_at ? <>{plural(lane.purged ?? 0, "task")}, <Ago at={lane.purged_at} /></> : null],
					["Made", <Ago at={lane.created_at} />],
				]} />
			</Card>
			<Servers lane={lane} />
			{form === "pause" && <PauseLane lane={name} onClose={close} />}
			{form === "limits" && <LimitLane lane={lane} onClose={close} />}
			{form === "purge" && <PurgeLane lane={lane} onClose={close} />}
		</Page>
	);
}
