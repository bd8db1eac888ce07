// submitted → queued → running → done, and beside the path retrying, scheduled and dead: each with how
// many and how fast, each a link to its tasks.
import { computed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { count, ms, percent, rate } from "../format";
import { health, history, overview } from "../live";
import { href } from "../location";
import { Meter } from "../ui/card";
import { Spark } from "../ui/spark";
import type { Part, Point } from "../types_operate";

const SPARK_POINTS = 120;
const recent = computed(() => history.value.slice(-SPARK_POINTS));
const line = (key: keyof Point) => recent.value.map((p) => p[key]);

function Stage(p: {
	name: string; to: string; value: string; unit?: string; note: ComponentChildren; spark: keyof Point; tone: string;
}) {
	return (
		<li class={`stage ${p.tone}`}>
			<a href={p.to}>
				<span class="name">{p.name}</span>
				<span class="value">{p.value}{p.unit && <small>{p.unit}</small>}</span>
				<span class="note">{p.note}</span>
				<Spark of={line(p.spark)} />
			</a>
		</li>
	);
}

function Side(p: { name: string; to: string; value: string; note: string; tone?: string }) {
	return (
		<li class={`branch ${p.tone ?? ""}`}>
			<a href={p.to}>
				<span class="name">{p.name}</span>
				<span class="value">{p.value}</span>
				<span class="note">{p.note}</span>
			</a>
		</li>
	);
}

export function Strip() {
	const o = overview.value;
	const [r, d, t, n] = [o.rates ?? {}, o.depths ?? {}, o.totals ?? {}, o.nodes ?? {}];
	const slots = n.slots ?? 0;
	const used = n.used ?? 0;
	const sla = o.sla;
	return (
		<section class="card strip" aria-label="The path of tasks">
			<ol class="stages">
				<Stage name="Submitted" to={href("/tasks")} value={rate(r.submitted)} unit="/s"
					note={`${count(t.submitted)} in all`} spark="submitted" tone="blue" />
				<Stage name="Queued" to={href("/tasks", { state: "queued" })} value={count(d.queued)}
					note={`half wait under ${ms(o.wait?.p50_ms)}`} spark="queued" tone="violet" />
				<Stage name="Running" to={href("/tasks", { state: "running" })} value={count(d.running)}
					note={`${rate(r.started)}/s begin · ${count(used)} of ${count(slots)} slots`} spark="running" tone="teal" />
				<Stage name="Done" to={href("/tasks", { state: "completed" })} value={rate(r.completed)} unit="/s"
					note={`${count(t.completed)} in all`} spark="completed" tone="good" />
			</ol>
			<ul class="branches">
				<Side name="Retrying" to={href("/tasks", { state: "scheduled" })} value={count(d.retrying)}
					note={`${rate(r.failed)}/s fail · ${rate(r.retried)}/s again`} tone={d.retrying ? "warn" : ""} />
				<Side name="Scheduled" to={href("/tasks", { state: "scheduled" })} value={count(d.scheduled)}
					note="wait for their time" />
				<Side name="Dead" to="#/dead" value={count(d.dead)} note={`${rate(r.dead)}/s · ${count(t.dead)} in all`}
					tone={d.dead ? "bad" : ""} />
				<li class="branch">
					<a href="#/nodes">
						<span class="name">Nodes</span>
						<span class="value">{count(n.ready)}{n.draining ? <small> + {count(n.draining)} draining</small> : null}</span>
						<span class="note"><Meter value={slots ? used / slots : 0} label={`${used} of ${slots} slots in use`} /> {percent(slots ? used / slots : 0, 0)}</span>
					</a>
				</li>
				{sla?.target_ms ? (
					<li class={`branch ${(sla.compliance ?? 1) < 0.95 ? "bad" : ""}`}>
						<span class="plain">
							<span class="name">In time</span>
							<span class="value">{percent(sla.compliance, 2)}</span>
							<span class="note">within {ms(sla.target_ms)}</span>
						</span>
					</li>
				) : null}
				<Parts />
			</ul>
		</section>
	);
}

function PartLine({ name, part }: { name: string; part: Part | undefined }) {
	const state = part?.ok === undefined ? "unknown" : part.ok ? "ok" : "bad";
	return (
		<span class={`part ${state}`} title={part?.why}>
			<span class="dot" aria-hidden="true" />{name}{state !== "ok" && <span>{state === "bad" ? "is away" : "unknown"}</span>}
		</span>
	);
}

function Parts() {
	const h = health.value;
	if (!h)
		return null;
	const many = (name: string, n: number | undefined) => (
		<span class={n ? "part ok" : "part bad"}><span class="dot" aria-hidden="true" />{name} {count(n)}</span>
	);
	return (
		<li class="branch parts">
			<a href="#/health">
				<PartLine name="Broker" part={h.broker} />
				<PartLine name="Database" part={h.database} />
				{many("Routers", h.router)}
				{many("Stores", h.store)}
				{many("Scalers", h.scaler)}
				{many("Nodes", h.nodes)}
			</a>
		</li>
	);
}
