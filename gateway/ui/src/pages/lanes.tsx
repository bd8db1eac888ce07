// All lanes: what waits, how fast, who serves them, what is wrong. One lane: parts/lane_detail.tsx.
import { useState } from "preact/hooks";
import { part } from "../api";
import { ago, count, plural, rate } from "../format";
import { at, lanes, nodes } from "../live";
import { href } from "../location";
import { DepthBar, DepthKey } from "../parts/depth_bar";
import { LaneDetail } from "../parts/lane_detail";
import { PauseLane } from "../parts/lane_forms";
import { laneRates } from "../parts/lane_live";
import { LaneState, resumeLane } from "../parts/lane_state";
import type { Lane, Node } from "../types";
import { Button } from "../ui/button";
import { Card, Page } from "../ui/card";
import { TextField } from "../ui/field";
import { Empty, Loading } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { now } from "../ui/time";

export function LanesPage({ name }: { name?: string }) {
	return name ? <LaneDetail name={name} /> : <Lanes />;
}

function columns(deepest: number, all: readonly Node[], pause: (lane: string) => void): Column<Lane>[] {
	const rates = laneRates.value;
	return [
		{
			name: "Lane", sort: (l) => l.name,
			cell: (l) => <a class="mono" href={href(`/lanes/${part(l.name)}`)}>{l.name}</a>,
		},
		{ name: "Waiting", sort: (l) => l.queued ?? 0, cell: (l) => <DepthBar lane={l} deepest={deepest} /> },
		{ name: "Running", right: true, sort: (l) => l.running ?? 0, cell: (l) => count(l.running) },
		{
			name: "Scheduled", right: true, wide: true, sort: (l) => l.scheduled ?? 0,
			cell: (l) => count(l.scheduled),
		},
		{
			name: "In /s", right: true, wide: true, sort: (l) => rates.get(l.name)?.in_s ?? -1,
			cell: (l) => (rates.has(l.name) ? rate(rates.get(l.name)!.in_s) : "–"),
		},
		{
			name: "Out /s", right: true, wide: true, sort: (l) => rates.get(l.name)?.out_s ?? -1,
			cell: (l) => (rates.has(l.name) ? rate(rates.get(l.name)!.out_s) : "–"),
		},
		{
			name: "Oldest", right: true, wide: true, sort: (l) => (l.oldest_at ? -Date.parse(l.oldest_at) : -Infinity),
			cell: (l) => (l.oldest_at ? <time dateTime={l.oldest_at} title={l.oldest_at}>
				{ago(l.oldest_at, now.value).replace(" ago", "")}</time> : "–"),
		},
		{ name: "Nodes", right: true, sort: (l) => l.nodes ?? 0, cell: (l) => count(l.nodes) },
		{ name: "State", cell: (l) => <LaneState lane={l} nodes={all} /> },
		{
			name: "Act", head: <span class="hidden">Act</span>, right: true,
			cell: (l) => (l.paused
				? <Button small icon="play" scope="operate" label={`Resume ${l.name}`} onClick={() => resumeLane(l.name)}>Resume</Button>
				: <Button small icon="pause" kind="quiet" scope="operate" label={`Pause ${l.name}`} onClick={() => pause(l.name)}>Pause</Button>),
		},
	];
}

function Lanes() {
	const [filter, setFilter] = useState("");
	const [pausing, setPausing] = useState("");
	const words = filter.trim().toLowerCase();
	const shown = lanes.value.filter((l) => l.name.toLowerCase().includes(words));
	const deepest = Math.max(0, ...lanes.value.map((l) => l.queued ?? 0));
	const waiting = lanes.value.reduce((n, l) => n + (l.queued ?? 0), 0);
	if (!at.value)
		return <Page title="Lanes"><Loading what="Waiting for the first news" /></Page>;
	return (
		<Page title="Lanes"
			text={<>A lane is a type and the capabilities that its tasks require. {plural(lanes.value.length, "lane")}, {plural(waiting, "task")} waiting.</>}>
			<Card flush title={<TextField label="Lanes whose name holds" value={filter} onInput={setFilter} type="search" search class="inline" />}
				aside={<DepthKey />}>
				<Table caption="Lanes" columns={columns(deepest, nodes.value, setPausing)} rows={shown}
					rowKey={(l) => l.name} sortBy="Waiting" descending
					empty={words
						? <Empty title={`No lane's name holds “${filter}”`} />
						: <Empty title="There is no lane yet"><p>The first task of a type makes one. <a href="#/submit">Submit a task</a></p></Empty>} />
			</Card>
			{pausing && <PauseLane lane={pausing} onClose={() => setPausing("")} />}
		</Page>
	);
}
