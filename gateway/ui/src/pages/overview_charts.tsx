// Charts of the last minutes, all over the same seconds and under the same cursor.
import { computed } from "@preact/signals";
import { count, ms, NONE, rate } from "../format";
import { history } from "../live";
import { withGaps } from "../merge";
import type { Point } from "../types_operate";
import { Chart, type ChartData } from "../ui/chart";

const points = computed(() => withGaps(history.value));
const t = computed(() => points.value.map((p) => p.t));
function columns(...keys: (keyof Point)[]) {
	return computed<ChartData>(() => ({
		t: t.value,
		lines: keys.map((key) => points.value.map((p) => p[key] ?? null)),
	}));
}
const throughput = columns("submitted", "completed", "dead");
const depth = columns("queued", "running");
const wait = columns("wait_p50", "wait_p95", "wait_p99");
const run = columns("run_p50", "run_p95", "run_p99");
const nodes = columns("nodes", "target");

const orNone = (f: (v: number) => string) => (v: number | null | undefined) =>
	v === null || v === undefined ? NONE : f(v);
const perSecond = orNone(rate);
const howMany = orNone(count);
const howLong = orNone(ms);

const QUANTILES = [
	{ name: "P50", colour: "--teal" },
	{ name: "P95", colour: "--blue" },
	{ name: "P99", colour: "--violet" },
];

export function OverviewCharts({ span_s }: { span_s: number }) {
	const common = { span_s, group: "overview" };
	return (
		<div class="grid charts">
			<Chart title="Throughput, tasks a second" unit={perSecond} data={throughput} {...common} lines={[
				{ name: "submitted", colour: "--blue" },
				{ name: "done", colour: "--good", fill: true },
				{ name: "dead", colour: "--bad" },
			]} />
			<Chart title="Depth" unit={howMany} data={depth} whole {...common} lines={[
				{ name: "queued", colour: "--violet", fill: true },
				{ name: "running", colour: "--teal" },
			]} />
			<Chart title="Nodes" unit={howMany} data={nodes} whole {...common} lines={[
				{ name: "there", colour: "--teal", steps: true, fill: true },
				{ name: "target", colour: "--warn", steps: true, dash: true },
			]} />
			<Chart title="Wait before running" unit={howLong} data={wait} {...common} lines={QUANTILES} />
			<Chart title="Run time" unit={howLong} data={run} {...common} lines={QUANTILES} />
		</div>
	);
}
