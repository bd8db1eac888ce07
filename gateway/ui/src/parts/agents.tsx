// Live agents: what each is at, its tasks, errors, uptime and process; spawning and ending them. Asked
// anew every two seconds, so that what is shown is never older.
import { useState } from "preact/hooks";
import { api, part } from "../api";
import { ago, count, millis, plural, seconds } from "../format";
import { pools } from "../live";
import { useLoad } from "../load";
import { href } from "../location";
import type { Agent } from "../types";
import { StateBadge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card } from "../ui/card";
import { confirm, Dialog } from "../ui/dialog";
import { TextField } from "../ui/field";
import { Empty, Failed, Loading, Stale } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { now } from "../ui/time";
import { done } from "../ui/toast";
import { faultOf } from "./lane_forms";

export const AGENTS_EVERY_MS = 2000;

const uptime = (a: Agent) => (a.status?.started_at ? (now.value - millis(a.status.started_at)) / 1000 : 0);

function columns(end: (a: Agent) => Promise<void>): Column<Agent>[] {
	return [
		{ name: "Agent", sort: (a) => a.agent_id, cell: (a) => <span class="mono">{a.agent_id}</span> },
		{ name: "Role", sort: (a) => a.role_type ?? "", cell: (a) => a.role_type },
		{
			name: "State", sort: (a) => a.status?.state ?? "",
			cell: (a) => <StateBadge state={a.status?.state ?? (a.node ? "starting" : "waiting")} />,
		},
		{ name: "Tasks", right: true, sort: (a) => a.status?.tasks ?? 0, cell: (a) => count(a.status?.tasks) },
		{
			name: "Errors", right: true, sort: (a) => a.status?.errors ?? 0,
			cell: (a) => <span class={a.status?.errors ? "late" : ""}>{count(a.status?.errors)}</span>,
		},
		{ name: "Uptime", right: true, sort: uptime, cell: (a) => (a.status?.started_at ? seconds(Math.max(0, Math.round(uptime(a)))) : "–") },
		{ name: "PID", right: true, sort: (a) => a.status?.pid ?? 0, cell: (a) => a.status?.pid || "–" },
		{
			name: "Node", wide: true, sort: (a) => a.node ?? "",
			cell: (a) => (a.node ? <a class="mono" href={href(`/nodes/${part(a.node)}`)}>{a.node}</a> : "none yet"),
		},
		{ name: "Pool", wide: true, sort: (a) => a.pool_name ?? "", cell: (a) => a.pool_name },
		{ name: "Project", wide: true, sort: (a) => a.project_id ?? "", cell: (a) => a.project_id || "–" },
		{ name: "Active", right: true, wide: true, cell: (a) => ago(a.status?.last_active_at, now.value) },
		{
			name: "Act", head: <span class="hidden">Act</span>, right: true,
			cell: (a) => <Button small kind="quiet" icon="stop" scope="operate" label={`Terminate ${a.agent_id}`} onClick={() => end(a)}>Terminate</Button>,
		},
	];
}

function Spawn({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
	const roles = [...new Set(pools.value.flatMap((p) => p.types ?? []))];
	const [v, set] = useState({ role_type: roles[0] ?? "", project_id: "", pool_name: "", heartbeat: "30", idle: "300" });
	const [fault, setFault] = useState<{ field: string; text: string }>();
	const field = (key: keyof typeof v) => ({ value: v[key], onInput: (text: string) => set({ ...v, [key]: text }) });
	const wrong = (name: string) => (fault?.field === name ? fault.text : "");
	const spawn = async () => {
		try {
			const agent = await api.post<Agent>("/agents/spawn", {
				role_type: v.role_type.trim(),
				...(v.project_id.trim() && { project_id: v.project_id.trim() }),
				...(v.pool_name.trim() && { pool_name: v.pool_name.trim() }),
				heartbeat_interval: Number(v.heartbeat),
				max_idle_time: Number(v.idle),
			});
			done(`${agent.agent_id} is spawned`);
			onDone();
			onClose();
		} catch (e) {
			setFault(faultOf(e, ["role_type", "project_id", "pool_name", "heartbeat_interval", "max_idle_time"]));
		}
	};
	return (
		<Dialog title="Spawn an agent" onClose={onClose}>
			<form onSubmit={(e) => { e.preventDefault(); void spawn(); }}>
				<TextField label="Role" {...field("role_type")} list={roles} required autoFocus error={wrong("role_type")} />
				<TextField label="Project" {...field("project_id")} hint="Its tasks are those of this project, where one is named." error={wrong("project_id")} />
				<TextField label="Pool" {...field("pool_name")} list={pools.value.map((p) => p.pool_name)} hint="Empty: the pool that has the role." error={wrong("pool_name")} />
				<div class="row">
					<TextField label="Heartbeat, seconds" type="number" min={1} {...field("heartbeat")} error={wrong("heartbeat_interval")} />
					<TextField label="Ends when idle for, seconds" type="number" min={-1} {...field("idle")} hint="-1: never" error={wrong("max_idle_time")} />
				</div>
				{fault && !fault.field && <p class="fault" role="alert">{fault.text}</p>}
				<footer>
					<Button onClick={onClose}>Leave it</Button>
					<Button kind="primary" type="submit" scope="operate" disabled={!v.role_type.trim()}>Spawn</Button>
				</footer>
			</form>
		</Dialog>
	);
}

export function Agents({ node }: { node?: string }) {
	const { data, error, loading, stale, reload } = useLoad<{ agents?: Agent[] }>("/agents", undefined, AGENTS_EVERY_MS);
	const [spawning, setSpawning] = useState(false);
	const rows = (data?.agents ?? []).filter((a) => !node || a.node === node);
	const end = async (a: Agent) => {
		const sure = await confirm({
			title: `Terminate ${a.agent_id}?`,
			text: <p>{a.status?.state === "busy" ? "It is at a task, which another agent will get." : "It is idle."} Its process ends.</p>,
			yes: "Terminate", danger: true,
		});
		if (!sure)
			return;
		await api.post(`/agents/${part(a.agent_id)}/terminate`, {});
		done(`${a.agent_id} ends`);
		reload();
	};
	if (node && !rows.length)
		return null;
	return (
		<Card flush title="Live agents" aside={(
			<>
				{data && <span>{plural(rows.length, "agent")}, {count(rows.filter((a) => a.status?.state === "busy").length)} busy</span>}
				{!node && <Button small icon="submit" scope="operate" onClick={() => setSpawning(true)}>Spawn…</Button>}
			</>
		)}>
			{stale && <Stale error={error} />}
			{loading && <Loading what="Asking for agents" />}
			{error && !data && <Failed error={error} retry={reload} />}
			{data && <Table caption="Live agents" columns={columns(end)} rows={rows} rowKey={(a) => a.agent_id} sortBy="Agent"
				empty={<Empty title="No agent is alive"><p>A pool of agents hosts them; spawn one here, or with <code>millrace pool spawn --role R</code>.</p></Empty>} />}
			{spawning && <Spawn onClose={() => setSpawning(false)} onDone={reload} />}
		</Card>
	);
}
