// Pools: how many nodes there shall be and the sentence that says why; another number by hand, back to
// automatic, and on again after a crash loop.
import { useState } from "preact/hooks";
import { api, part } from "../api";
import { count, plural, rate, seconds } from "../format";
import { decisions, pools } from "../live";
import type { Pool } from "../types";
import type { ScaleEvent } from "../types_operate";
import { Badge, Chips } from "../ui/badge";
import { Button } from "../ui/button";
import { Card, Facts, Meter } from "../ui/card";
import { Dialog } from "../ui/dialog";
import { TextField } from "../ui/field";
import { Empty } from "../ui/states";
import { Ago } from "../ui/time";
import { done } from "../ui/toast";
import { faultOf } from "./lane_forms";

async function automatic(pool: string) {
	await api.post(`/pools/${part(pool)}/scale`, { nodes: -1 });
	done(`${pool}: the scaler decides again`);
}
async function resume(pool: string) {
	await api.post(`/pools/${part(pool)}/resume`, {});
	done(`${pool}: nodes are started again`);
}

function ScalePool({ pool, onClose }: { pool: Pool; onClose: () => void }) {
	const [nodes, setNodes] = useState(String(pool.target ?? 0));
	const [fault, setFault] = useState("");
	const ok = /^\d+$/.test(nodes.trim());
	const scale = async () => {
		try {
			await api.post(`/pools/${part(pool.pool_name)}/scale`, { nodes: Number(nodes) });
			done(`${pool.pool_name}: ${plural(Number(nodes), "node")}`);
			onClose();
		} catch (e) {
			setFault(faultOf(e, ["nodes"]).text);
		}
	};
	return (
		<Dialog title={`Scale ${pool.pool_name}`} onClose={onClose}>
			<form onSubmit={(e) => { e.preventDefault(); void scale(); }}>
				<p>It keeps that many nodes, whatever waits, until it is set back to automatic. Nodes that are too many drain first.</p>
				<TextField label="Nodes" type="number" min={0} value={nodes} onInput={setNodes} autoFocus
					hint={`configured: ${pool.min ?? 0} to ${pool.max ?? 0}`} error={fault || (ok ? "" : "A whole number, 0 or more")} />
				<footer>
					<Button onClick={onClose}>Leave it</Button>
					<Button kind="primary" type="submit" scope="operate" disabled={!ok}>Scale</Button>
				</footer>
			</form>
		</Dialog>
	);
}

function Decision({ of }: { of: ScaleEvent }) {
	const change = of.action === "target" && (of.from || of.to) ? ` ${of.from ?? 0} → ${of.to ?? 0}` : "";
	return (
		<li>
			<Ago at={of.at} /> <strong>{of.action}{change}</strong> {of.node && <span class="mono">{of.node}</span>}
			{of.agent && <span class="mono"> {of.agent}</span>} <span class="because">{of.reason}</span>
		</li>
	);
}

function PoolCard({ pool, onScale }: { pool: Pool; onScale: () => void }) {
	const used = (pool.used_capacity ?? 0) / (pool.total_capacity || 1);
	const what = pool.lanes && (pool.agent_count || pool.types?.length) && pool.agent_count ? "agents" : "slots";
	const told = decisions.value.filter((d) => d.pool === pool.pool_name).slice(0, 4);
	const late = (pool.promise_s ?? 0) > 0 && (pool.oldest_s ?? 0) > (pool.promise_s ?? 0);
	return (
		<Card title={pool.pool_name} aside={(
			<>
				{pool.suspended && <Badge tone="bad">suspended</Badge>}
				{pool.scaled && <Badge tone="violet">by hand: {pool.fixed ?? 0}</Badge>}
				{pool.driver !== "process" && pool.driver && <Badge>{pool.driver}</Badge>}
				{pool.suspended && <Button small icon="play" kind="primary" scope="operate" label={`Resume ${pool.pool_name}`} onClick={() => resume(pool.pool_name)}>Resume</Button>}
				{pool.scaled && <Button small icon="auto" scope="operate" label={`${pool.pool_name}: automatic`} onClick={() => automatic(pool.pool_name)}>Automatic</Button>}
				<Button small icon="edit" scope="operate" label={`Scale ${pool.pool_name}`} onClick={onScale}>Scale…</Button>
			</>
		)}>
			{pool.suspended && <p class="fault">Its nodes died too often; none is started until it is resumed. Their logs say why.</p>}
			<p class="pool-why">
				<strong class="pool-target">{plural(pool.process_count ?? 0, "node")} of {count(pool.target)} wanted</strong>{" "}
				<span>{pool.reason}</span>
			</p>
			<Facts of={[
				["Between", `${pool.min ?? 0} and ${pool.max ?? 0}`],
				["On their way", pool.starting || pool.draining ? `${pool.starting ?? 0} in, ${pool.draining ?? 0} out` : null],
				[`Used ${what}`, <span class="slots"><Meter value={used} label={`${pool.used_capacity ?? 0} of ${pool.total_capacity ?? 0} ${what} are used`} />
					{count(pool.used_capacity)}/{count(pool.total_capacity)}</span>],
				["Waiting", count(pool.waiting)],
				["Oldest", pool.waiting ? <span class={late ? "late" : ""}>{seconds(pool.oldest_s)}</span> : null],
				["Promise", pool.promise_s ? `95 % within ${seconds(pool.promise_s)}` : null],
				["Come", pool.arrival_per_s ? `${rate(pool.arrival_per_s)} /s, soon ${rate(pool.forecast_per_s)} /s` : null],
				["A task takes", pool.service_s ? seconds(pool.service_s) : null],
				["Roles, types", pool.types?.length ? <Chips of={pool.types} /> : null],
			]} />
			{told.length > 0 && <ul class="acts-told">{told.map((d) => <Decision of={d} key={d.id} />)}</ul>}
		</Card>
	);
}

export function Pools() {
	const [scaling, setScaling] = useState("");
	const chosen = pools.value.find((p) => p.pool_name === scaling);
	if (!pools.value.length)
		return <Card title="Pools"><Empty title="No pool is told of"><p>Without a scaler, nodes are started by whoever needs them.</p></Empty></Card>;
	return (
		<div class="grid halves">
			{pools.value.map((p) => <PoolCard pool={p} key={p.pool_name} onScale={() => setScaling(p.pool_name)} />)}
			{chosen && <ScalePool pool={chosen} onClose={() => setScaling("")} />}
		</div>
	);
}
