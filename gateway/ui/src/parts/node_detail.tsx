// One node: what it is, how it does, which lanes it serves, the agents that it hosts.
import { part } from "../api";
import { count, ms, percent, plural, seconds } from "../format";
import { at, lanes, nodes } from "../live";
import { useLoad } from "../load";
import { href } from "../location";
import type { Performance } from "../types";
import { Chips, StateBadge } from "../ui/badge";
import { Card, Facts, Meter, Page, Stat } from "../ui/card";
import { Empty, Loading } from "../ui/states";
import { Ago } from "../ui/time";
import { Agents } from "./agents";
import { servers } from "./lane_trouble";
import { NodeActs } from "./node_acts";

export function NodeDetail({ name }: { name: string }) {
	const node = nodes.value.find((n) => n.name === name);
	const { data } = useLoad<Performance>("/performance", { name }, 5000);
	const past = data?.nodes?.find((n) => n.name === name);
	if (!node) {
		return (
			<Page title={name} text={<a href="#/nodes">All nodes</a>}>
				{at.value ? <Empty title={`No node ${name} is running`}><p><a href={href("/tasks", { node: name })}>Tasks that ran on it</a></p></Empty>
					: <Loading what="Waiting for the first news" />}
			</Page>
		);
	}
	const serves = lanes.value.filter((l) => servers(l, [node]).length);
	const ended = (past?.completed ?? 0) + (past?.failed ?? 0);
	return (
		<Page title={<span class="mono">{name}</span>} actions={<NodeActs node={node} />}
			text={<><a href="#/nodes">Nodes</a> · <a href={href("/tasks", { node: name })}>its tasks</a></>}>
			<div class="stats">
				<Stat name="State" value={<StateBadge state={node.state} />} note={`heartbeat ${seconds(node.heartbeat_age_s ?? 0)} ago`} />
				<Stat name="Slots" value={`${node.used ?? 0}/${node.slots ?? 0}`} note={<Meter value={(node.used ?? 0) / (node.slots || 1)} label="slots in use" />} />
				<Stat name="CPU of its host" value={percent((node.cpu_percent ?? 0) / 100, 0)} note={<Meter value={(node.cpu_percent ?? 0) / 100} label="CPU" />} />
				<Stat name="Memory of its host" value={percent((node.memory_percent ?? 0) / 100, 0)} note={<Meter value={(node.memory_percent ?? 0) / 100} label="memory" />} />
				<Stat name="Completed" value={count(node.completed)} note="since its start" />
				<Stat name="Failed" value={count(node.failed)} tone={node.failed ? "warn" : ""}
					note={ended ? `${percent(past?.success_rate)} succeed` : "since its start"} />
			</div>
			<Card title="Node">
				<Facts of={[
					["Pool", node.pool],
					["Host", node.host],
					["Process", node.pid],
					["Version", node.version],
					["Started", <Ago at={node.started_at} />],
					["Mean handler time", past?.avg_duration_ms ? ms(past.avg_duration_ms) : null],
					["Given to it, not begun", node.direct ? count(node.direct) : null],
					["Bridge", node.bridge ? "serves lanes that no other node serves, by handle.<type>" : null],
					["Types", <Chips of={node.types} none="none of its own" />],
					["Capabilities", <Chips of={node.capabilities} none="none" />],
					["Labels", Object.keys(node.labels ?? {}).length
						? <Chips of={Object.entries(node.labels ?? {}).map(([k, v]) => `${k}=${v}`)} /> : null],
				]} />
			</Card>
			<Card title="Lanes that it serves" aside={plural(serves.length, "lane")}>
				{serves.length ? <span class="chips">{serves.map((l) => <a class="chip mono" key={l.name} href={href(`/lanes/${part(l.name)}`)}>{l.name}</a>)}</span>
					: <p class="mute">None of those that there are.</p>}
			</Card>
			<Agents node={name} />
		</Page>
	);
}
