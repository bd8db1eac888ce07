// Nodes at a glance and as a table, the pools that say how many there are and why, the agents they host.
import { useState } from "preact/hooks";
import { plural } from "../format";
import { at, nodes } from "../live";
import { Agents } from "../parts/agents";
import { HEATS, type Heat } from "../parts/heat";
import { HeatGrid } from "../parts/heat_grid";
import { NodeDetail } from "../parts/node_detail";
import { NodeTable } from "../parts/node_table";
import { Pools } from "../parts/pools";
import { Card, Page } from "../ui/card";
import { Choice } from "../ui/field";
import { Loading } from "../ui/states";

export function NodesPage({ name }: { name?: string }) {
	return name ? <NodeDetail name={name} /> : <Nodes />;
}

function Nodes() {
	const [by, setBy] = useState<Heat>("slots");
	const all = nodes.value;
	const slots = all.reduce((n, node) => n + (node.slots ?? 0), 0);
	const used = all.reduce((n, node) => n + (node.used ?? 0), 0);
	if (!at.value)
		return <Page title="Nodes"><Loading what="Waiting for the first news" /></Page>;
	return (
		<Page title="Nodes" text={`${plural(all.length, "node")}, ${used} of ${plural(slots, "slot")} in use.`}>
			<Card title="At a glance" aside={<Choice label="Shade by" value={by} onChange={(v) => setBy(v as Heat)} options={HEATS} />}>
				<HeatGrid nodes={all} by={by} />
			</Card>
			<NodeTable nodes={all} />
			<h2 class="section">Pools</h2>
			<Pools />
			<Agents />
		</Page>
	);
}
