// Is it well? The parts, the checks, what was healed, the live agents. Also under /cluster.
import { count } from "../format";
import { at, health, nodes } from "../live";
import { Agents } from "../parts/agents";
import { Checks, HealButton, HealHistory, useHeal } from "../parts/heal";
import { Page, Stat } from "../ui/card";
import { Loading } from "../ui/states";

/** Ours, and what they stand on. What is wrong, and the remedy, is in the banner above every page. */
function Parts() {
	const h = health.value;
	if (!h)
		return null;
	const engine = (name: string, p: { ok?: boolean; why?: string } | undefined) =>
		<Stat name={name} value={p?.ok ? "well" : "away"} tone={p?.ok ? "good" : "bad"} note={p?.ok ? "answers" : p?.why || "does not answer"} />;
	const ours = (name: string, n: number | undefined) =>
		<Stat name={name} value={count(n)} tone={n ? "" : "bad"} note={n ? "answer" : "none answers"} />;
	const lost = nodes.value.filter((n) => n.state === "lost").length;
	return (
		<div class="stats">
			{engine("Broker", h.broker)}
			{engine("Database", h.database)}
			{ours("Routers", h.router)}
			{ours("Stores", h.store)}
			{ours("Scalers", h.scaler)}
			<Stat name="Nodes" value={count(h.nodes)} tone={h.nodes ? (lost ? "warn" : "") : "bad"} note={lost ? `${lost} lost` : h.nodes ? "answer" : "none answers"} />
		</div>
	);
}

export function HealthPage() {
	const heal = useHeal();
	const ok = health.value?.ok;
	return (
		<Page title="Health" text={at.value ? (ok ? "All that has to answer does." : "Something is wrong: see above.") : ""}
			actions={<HealButton checks={heal.data?.checks ?? []} />}>
			{at.value ? <Parts /> : <Loading what="Waiting for the first news" />}
			<Checks of={heal} />
			<Agents />
			<HealHistory />
		</Page>
	);
}
