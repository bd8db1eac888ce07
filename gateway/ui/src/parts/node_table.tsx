// The nodes as a table, with what can be done to each.
import { useState } from "preact/hooks";
import { part } from "../api";
import { count, percent, plural, seconds } from "../format";
import { href } from "../location";
import type { Node } from "../types";
import { Badge, Chips, StateBadge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card, Meter } from "../ui/card";
import { TextField } from "../ui/field";
import { Empty } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { NodeActs } from "./node_acts";

const ROWS = 100; // at first; a thousand nodes are a long table

function share(part_: number, label: string) {
	return <span class="slots"><Meter value={part_} label={label} />{percent(part_, 0)}</span>;
}

const columns: readonly Column<Node>[] = [
	{
		name: "Node", sort: (n) => n.name,
		cell: (n) => <><a class="mono" href={href(`/nodes/${part(n.name)}`)}>{n.name}</a>{n.bridge && <> <Badge>bridge</Badge></>}</>,
	},
	{ name: "Pool", wide: true, sort: (n) => n.pool ?? "", cell: (n) => n.pool || "–" },
	{ name: "State", sort: (n) => n.state ?? "", cell: (n) => <StateBadge state={n.state} /> },
	{
		name: "Slots", sort: (n) => (n.used ?? 0) / (n.slots || 1),
		cell: (n) => (
			<span class="slots"><Meter value={(n.used ?? 0) / (n.slots || 1)} label={`${n.used ?? 0} of ${n.slots ?? 0} slots are used`} />
				{n.used ?? 0}/{n.slots ?? 0}</span>
		),
	},
	{ name: "CPU", wide: true, sort: (n) => n.cpu_percent ?? 0, cell: (n) => share((n.cpu_percent ?? 0) / 100, "CPU of its host") },
	{ name: "Memory", wide: true, sort: (n) => n.memory_percent ?? 0, cell: (n) => share((n.memory_percent ?? 0) / 100, "Memory of its host") },
	{ name: "Done", right: true, wide: true, sort: (n) => n.completed ?? 0, cell: (n) => count(n.completed) },
	{ name: "Failed", right: true, wide: true, sort: (n) => n.failed ?? 0, cell: (n) => count(n.failed) },
	{ name: "Can", wide: true, cell: (n) => <Chips of={n.capabilities} /> },
	{
		name: "Heartbeat", right: true, wide: true, sort: (n) => n.heartbeat_age_s ?? 0,
		cell: (n) => `${seconds(n.heartbeat_age_s ?? 0)} ago`,
	},
	{ name: "Act", head: <span class="hidden">Act</span>, right: true, cell: (n) => <NodeActs node={n} small /> },
];

function fits(n: Node, words: string): boolean {
	return [n.name, n.pool, n.state, n.host, ...(n.types ?? []), ...(n.capabilities ?? [])]
		.some((text) => text?.toLowerCase().includes(words));
}

export function NodeTable({ nodes }: { nodes: readonly Node[] }) {
	const [filter, setFilter] = useState("");
	const [all, setAll] = useState(false);
	const words = filter.trim().toLowerCase();
	const found = words ? nodes.filter((n) => fits(n, words)) : nodes;
	const shown = all ? found : found.slice(0, ROWS);
	return (
		<Card flush title={<TextField label="Nodes by name, pool, type, capability or host" value={filter} onInput={setFilter} type="search" search class="inline" />}
			aside={shown.length < found.length
				? <Button small onClick={() => setAll(true)}>Show all {count(found.length)}</Button>
				: plural(found.length, "node")}>
			<Table caption="Nodes" columns={columns} rows={shown} rowKey={(n) => n.name} sortBy="Node"
				empty={<Empty title={words ? `No node fits “${filter}”` : "No node is running"}>
					{!words && <p>Start one: <code>millrace-node node-1</code></p>}
				</Empty>} />
		</Card>
	);
}
