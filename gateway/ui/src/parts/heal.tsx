// The health checks in colour and words, what may be done about them, what was; and the button that
// does it now.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { api, ApiError, sentence } from "../api";
import { ms, plural } from "../format";
import { useLoad } from "../load";
import type { HealCheck, HealEvent, HealStatus } from "../types_operate";
import { Badge, Chips, StateBadge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card } from "../ui/card";
import { confirm, Dialog } from "../ui/dialog";
import { Select } from "../ui/field";
import { Empty, Failed, Loading, Stale } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { Ago } from "../ui/time";
import { failed } from "../ui/toast";

const EVERY_MS = 2000;
const UNITS: Record<string, string> = {
	cpu: " %", memory: " %", disk: " %", errors: " %", node: " %", heartbeat: " s", broker: " s", database: " s",
};
const figure = (c: HealCheck, n: number | undefined) =>
	`${Number((n ?? 0).toFixed(1))}${UNITS[c.check] ?? ""}`;

const checkColumns: readonly Column<HealCheck>[] = [
	{ name: "Check", sort: (c) => c.check, cell: (c) => c.check },
	{ name: "Level", sort: (c) => ["critical", "warning", "ok"].indexOf(c.level ?? "ok"), cell: (c) => <StateBadge state={c.level} /> },
	{ name: "Of", cell: (c) => <span class="mono">{[c.host, c.subject].filter(Boolean).join(" ") || "all"}</span> },
	{ name: "Value", right: true, cell: (c) => figure(c, c.value) },
	{ name: "Limit", right: true, cell: (c) => figure(c, c.limit) },
	{ name: "Looked at", right: true, wide: true, cell: (c) => <Ago at={c.at} /> },
];

const eventColumns: readonly Column<HealEvent>[] = [
	{ name: "When", cell: (e) => <Ago at={e.at} /> },
	{ name: "Check", cell: (e) => <>{e.check} <StateBadge state={e.level} /></> },
	{ name: "Of", wide: true, cell: (e) => <span class="mono">{[e.host, e.subject].filter(Boolean).join(" ") || "–"}</span> },
	{ name: "Act", cell: (e) => (e.action === "none" || !e.action ? <span class="mute">well again</span> : <code>{e.action}</code>) },
	{ name: "Result", cell: (e) => (e.action === "none" ? "–" : <StateBadge state={e.result} />) },
	{ name: "Why", grow: true, cell: (e) => <span class="cut" title={e.reason}>{e.reason}</span> },
	{ name: "Took", right: true, wide: true, cell: (e) => (e.took_ms ? ms(e.took_ms) : "–") },
	{ name: "By", wide: true, cell: (e) => e.by || "–" },
];

const turn = signal(0); // of healings by this page: the history is asked for anew

function Result({ events, onClose }: { events: readonly HealEvent[]; onClose: () => void }) {
	const bad = events.filter((e) => e.result === "failed" || e.result === "denied").length;
	return (
		<Dialog title="What was done" wide onClose={onClose}>
			<p role="status">
				{events.length === 0 ? "All is well: there was nothing to do."
					: bad ? `${plural(bad, "act")} of ${events.length} failed or ${bad === 1 ? "is" : "are"} not permitted.` : `${plural(events.length, "act")}, all done.`}
			</p>
			{events.length > 0 && <Table caption="What was done" columns={eventColumns} rows={events} rowKey={(e) => e.id} />}
			<footer><Button kind="primary" onClick={onClose}>Close</Button></footer>
		</Dialog>
	);
}

export function HealButton({ checks }: { checks: readonly HealCheck[] }) {
	const [check, setCheck] = useState("");
	const [told, setTold] = useState<readonly HealEvent[] | null>(null);
	const names = [...new Set(checks.map((c) => c.check))];
	const heal = async () => {
		const sure = await confirm({
			title: check ? `Heal: ${check}` : "Heal",
			text: `${check ? `The check ${check} is` : "All checks are"} run now, and what ${check ? "it asks" : "they ask"} for is done at once, within the permissions below.`,
			yes: "Heal now",
		});
		if (!sure)
			return;
		try {
			const answer = await api.post<{ events?: HealEvent[] }>("/heal", check ? { check } : {});
			setTold(answer.events ?? []);
		} catch (e) {
			// Acts take their time; the scaler goes on with them whoever waits.
			if (!(e instanceof ApiError && (e.status === 503 || e.status === 504)))
				throw e;
			failed(new Error(`${sentence(e)} Acts that were begun go on; what was done will be in the history.`));
		}
		turn.value++;
	};
	return (
		<>
			<Select label="Check" class="inline" value={check} onChange={setCheck} options={[["", "All checks"], ...names.map((n) => [n, n] as const)]} />
			<Button icon="health" kind="primary" scope="operate" onClick={heal}>Heal</Button>
			{told && <Result events={told} onClose={() => setTold(null)} />}
		</>
	);
}

export function useHeal() { return useLoad<HealStatus>("/heal", undefined, EVERY_MS); }

export function Checks({ of: { data, error, loading, stale, reload } }: { of: ReturnType<typeof useHeal> }) {
	const checks = data?.checks ?? [];
	const ill = checks.filter((c) => c.level !== "ok").length;
	return (
		<Card flush title="Checks" aside={data && (ill ? <Badge tone="warn">{plural(ill, "check")} not well</Badge> : checks.length > 0 && <Badge tone="good">all well</Badge>)}>
			{stale && <Stale error={error} />}
			{loading && <Loading what="Asking for health checks" />}
			{error && !data && <Failed error={error} retry={reload} />}
			{data && <Table caption="Health checks" columns={checkColumns} rows={checks} sortBy="Level"
				rowKey={(c) => `${c.check} ${c.host} ${c.subject}`}
				empty={<Empty title={data.initialized ? "No check has been made yet" : "No scaler looks after health"}>
					<p>Checks are made by <code>millrace-scaler</code>.</p></Empty>} />}
			{data && (
				<div class="permissions">
					<span class="mute">Permitted:</span> <Chips of={data.permissions} none="nothing" />
				</div>
			)}
		</Card>
	);
}

export function HealHistory() {
	const { data, error, loading, stale, reload } = useLoad<{ events?: HealEvent[] }>("/heal/history", { limit: 50 }, 10_000);
	const done = turn.value;
	useEffect(() => { if (done) reload(); }, [done]);
	return (
		<Card flush title="What was done" aside="newest first">
			{stale && <Stale error={error} />}
			{loading && <Loading what="Asking for what was done" />}
			{error && !data && <Failed error={error} retry={reload} />}
			{data && <Table caption="Healing history" columns={eventColumns} rows={data.events ?? []} rowKey={(e) => e.id}
				empty={<Empty title="Nothing had to be done yet" />} />}
		</Card>
	);
}
