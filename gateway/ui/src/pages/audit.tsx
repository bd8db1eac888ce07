// The audit: what was accepted is somewhere, lane by lane; what is missing is told, and given up on request.
import { useState } from "preact/hooks";
import { api } from "../api";
import { count, ms, plural } from "../format";
import { useLoad } from "../load";
import { href } from "../location";
import { difference, ENDED, OPEN, standing, type Standing } from "../parts/balance";
import type { Audit, AuditLane } from "../types_operate";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card, Facts, Page } from "../ui/card";
import { confirm } from "../ui/dialog";
import { Empty, Failed, Loading, Stale } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { Ago } from "../ui/time";
import { done } from "../ui/toast";

const EVERY_MS = 3000;
const WAIT_MS = 300_000;
const TONES: Record<Standing, string> = { balanced: "good", missing: "bad", unresolved: "warn", unbalanced: "bad" };

const columns: readonly Column<AuditLane>[] = [
	{ name: "Lane", sort: (l) => l.lane ?? "", cell: (l) => (l.lane ? <a class="mono" href={href(`/lanes/${l.lane}`)}>{l.lane}</a> : <span class="mute">none yet, or delayed</span>) },
	{ name: "Balance", sort: (l) => standing(l), cell: (l) => <Badge tone={TONES[standing(l)]}>{standing(l)}</Badge> },
	{ name: "Accepted", right: true, sort: (l) => l.accepted ?? 0, cell: (l) => count(l.accepted) },
	...[...ENDED, ...OPEN].map((s): Column<AuditLane> => ({
		name: s[0]!.toUpperCase() + s.slice(1), right: true, wide: true, sort: (l) => l[s] ?? 0,
		cell: (l) => (l[s] ? count(l[s]) : <span class="mute">0</span>),
	})),
	{ name: "In its stream", right: true, wide: true, sort: (l) => l.messages ?? 0, cell: (l) => count(l.messages) },
	{ name: "Missing", right: true, sort: (l) => l.missing ?? 0, cell: (l) => <span class={l.missing ? "late" : ""}>{count(l.missing)}</span> },
	{ name: "Unresolved", right: true, wide: true, sort: (l) => l.unresolved ?? 0, cell: (l) => count(l.unresolved) },
];

function Equation({ of: l }: { of: AuditLane }) {
	const term = (name: string, n: number | undefined) => <span class="term"><b>{count(n)}</b><span>{name}</span></span>;
	const off = difference(l);
	return (
		<p class="equation">
			{term("accepted", l.accepted)}<i>{off ? "≠" : "="}</i>
			{[...ENDED, ...OPEN].map((s, i) => <>{i > 0 && <i>+</i>}{term(s, l[s])}</>)}
			{off !== 0 && <span class="late">{count(Math.abs(off))} {off > 0 ? "untold" : "too many"}: tasks may have moved while it was read</span>}
		</p>
	);
}

/** Until a pass of that number is told of. */
async function pass(repair: boolean): Promise<Audit> {
	const wanted = await api.post<{ pass?: number }>("/audit", { repair });
	const end = Date.now() + WAIT_MS;
	for (;;) {
		const a = await api.get<Audit>("/audit");
		if ((a.pass ?? 0) >= (wanted.pass ?? 0))
			return a;
		if (Date.now() > end)
			throw new Error("The pass is not over yet. This page shows it once it is.");
		await new Promise((go) => { setTimeout(go, 300); });
	}
}

export function AuditPage() {
	const { data: a, error, loading, stale, reload } = useLoad<Audit>("/audit", undefined, EVERY_MS);
	const [busy, setBusy] = useState("");
	const run = async (repair: boolean) => {
		const before = a?.repaired_total ?? 0;
		if (repair && !await confirm({
			title: "Give up what is missing?",
			text: "A pass is made now. Tasks whose message is in no stream, and whose end nobody told, become dead letters: acked without outcome. Those that may be elsewhere are never touched.",
			yes: "Run and repair", danger: true,
		}))
			return;
		setBusy(repair ? "Looking, and giving up what is lost…" : "Looking…");
		try {
			const told = await pass(repair);
			const given = (told.repaired_total ?? 0) - before;
			done(`Pass ${told.pass}: ${told.drift ? `${plural(told.drift, "task")} missing` : "nothing is missing"}${given > 0 ? `, ${given} given up` : ""}`);
			reload();
		} finally {
			setBusy("");
		}
	};
	const drift = a?.drift ?? 0;
	return (
		<Page title="Audit" text="Does every unfinished task lie in a stream? Stores look by themselves; this is what the last look found."
			actions={(
				<>
					{busy && <span class="mute" role="status">{busy}</span>}
					<Button icon="audit" scope="operate" disabled={!!busy} onClick={() => run(false)}>Run a pass</Button>
					<Button icon="retry" kind="danger" scope="operate" disabled={!!busy} onClick={() => run(true)}>Repair…</Button>
				</>
			)}>
			{stale && <Stale error={error} />}
			{loading && <Loading what="Asking for the last audit" />}
			{error && !a && <Failed error={error} retry={reload} />}
			{a && !a.pass && <Empty title="No pass has been finished yet"><p>The first is made within seconds of a store's start.</p></Empty>}
			{a && Boolean(a.pass) && (
				<>
					<Card title="All lanes" aside={drift ? <Badge tone="bad">{plural(drift, "task")} missing</Badge> : <Badge tone="good">no drift</Badge>}>
						<Equation of={a.total ?? {}} />
						<Facts of={[
							["Drift", count(drift)],
							["Given up, ever", count(a.repaired_total)],
							["Watched", a.watched ? `${count(a.watched)} without a message, perhaps under way` : null],
							["Pass", `${a.pass}${a.complete ? "" : ", not complete"}`],
							["Finished", <Ago at={a.finished_at} />],
							["Took", ms(a.took_ms)],
							["Not routed yet", count(a.tasks_waiting)],
							["Delayed", count(a.delayed_messages)],
							["Given to a node", count(a.direct_messages)],
							["Events for the store", count(a.events_waiting)],
							["Events for a router", count(a.act_waiting)],
						]} />
					</Card>
					<Card flush title="Lane by lane" aside={plural(a.lanes?.length ?? 0, "lane")}>
						<Table caption="Balance, lane by lane" columns={columns} rows={a.lanes ?? []} rowKey={(l) => l.lane ?? ""}
							empty={<Empty title="No task has come yet" />} />
					</Card>
				</>
			)}
		</Page>
	);
}
