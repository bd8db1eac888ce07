// Lines over time by uPlot. Charts of one `group` share the cursor, and their legends tell the values
// under it, else the newest ones. The numbers are also the chart's name for screen readers.
import { effect, signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { isDark } from "./theme";

export interface Line {
	name: string;
	colour: string; // a token: "--blue"
	dash?: boolean;
	steps?: boolean;
	fill?: boolean;
}
export interface ChartData { t: readonly number[]; lines: readonly (readonly (number | null)[])[] }
export interface ChartProps {
	title: string;
	unit: (v: number | null | undefined) => string; // as words: axis and legend
	lines: readonly Line[];
	data: ReadonlySignal<ChartData>;
	span_s: number;
	group: string;
	whole?: boolean; // counts: no fractions on the axis
}

const HEIGHT = 168;
/** Between ticks: 0.1, 0.2, 0.5, 1, 2, 5, … so that a label never needs more digits than it shows. */
const STEPS = Array.from({ length: 11 }, (_, e) => [1, 2, 5].map((n) => n * 10 ** (e - 1))).flat();
/** Where the cursor is, in all charts: an index into the data. */
const cursor = signal<number | null>(null);

/** The colour that a token has at this moment; a canvas knows no custom properties. */
function colours(names: readonly string[]): Record<string, string> {
	const probe = document.createElement("span");
	document.body.append(probe);
	const found: Record<string, string> = {};
	for (const name of names) {
		probe.style.color = `var(${name})`;
		found[name] = getComputedStyle(probe).color;
	}
	probe.remove();
	return found;
}

const PAD: uPlot.Range.MinMax = [0, 1];
function yRange(_u: uPlot, _min: number, max: number | null): uPlot.Range.MinMax {
	return max && max > 0 ? [0, max * 1.12] : PAD;
}

function options(p: ChartProps, width: number): uPlot.Options {
	const c = colours(["--mute", "--line", ...p.lines.map((l) => l.colour)]);
	const font = `11px ${getComputedStyle(document.body).fontFamily}`;
	const axis: uPlot.Axis = {
		stroke: c["--mute"]!, font, ticks: { show: false }, grid: { stroke: c["--line"]!, width: 1 },
	};
	return {
		width,
		height: HEIGHT,
		padding: [8, 20, 0, 0],
		legend: { show: false },
		cursor: {
			sync: { key: p.group, setSeries: false },
			drag: { x: false, y: false },
			points: { size: 6 },
			y: false,
		},
		scales: { x: { time: true }, y: { range: yRange } },
		axes: [
			{ ...axis, size: 26, space: 48, incrs: [60, 120, 300, 600, 1800], values: "{HH}:{mm}" },
			{
				...axis, size: 56, space: 34,
				incrs: STEPS.filter((step) => !p.whole || step >= 1),
				values: (_u, ticks) => ticks.map((v) => p.unit(v)),
			},
		],
		series: [
			{},
			...p.lines.map((l): uPlot.Series => ({
				label: l.name,
				stroke: c[l.colour]!,
				width: 1.5,
				dash: l.dash ? [5, 4] : undefined!,
				fill: l.fill ? c[l.colour]!.replace("rgb(", "rgba(").replace(")", ", 0.10)") : undefined!,
				paths: l.steps ? uPlot.paths.stepped!({ align: 1 }) : uPlot.paths.linear!(),
				points: { show: false },
				spanGaps: false,
			})),
		],
		hooks: { setCursor: [(u) => { cursor.value = u.cursor.idx ?? null; }] },
	};
}

function put(u: uPlot, data: ChartData, span_s: number) {
	const last = data.t[data.t.length - 1] ?? Date.now() / 1000;
	u.batch(() => {
		u.setData([data.t, ...data.lines] as unknown as uPlot.AlignedData, false);
		u.setScale("x", { min: last - span_s, max: last });
	});
}

function Legend(p: ChartProps) {
	const { t, lines } = p.data.value;
	const at = cursor.value !== null && cursor.value < t.length ? cursor.value : t.length - 1;
	return (
		<ul class="legend" aria-hidden="true">
			{p.lines.map((l, i) => (
				<li key={l.name}>
					<span class={`key ${l.dash ? "dash" : ""} k${l.colour}`} />
					{l.name} <b>{p.unit(lines[i]?.[at])}</b>
				</li>
			))}
		</ul>
	);
}

function words(p: ChartProps): string {
	const { t, lines } = p.data.value;
	return `${p.title}: ${p.lines.map((l, i) => `${l.name} ${p.unit(lines[i]?.[t.length - 1])}`).join(", ")}`;
}

export function Chart(p: ChartProps) {
	const box = useRef<HTMLDivElement>(null);
	const span = useRef(p.span_s);
	const plot = useRef<uPlot | null>(null);
	span.current = p.span_s;
	useEffect(() => {
		const el = box.current!;
		// Anew when the colours change; else only its data.
		const stop = effect(() => {
			void isDark.value;
			plot.current?.destroy();
			const u = new uPlot(options(p, Math.max(200, el.clientWidth)), [[]], el);
			plot.current = u;
			put(u, p.data.peek(), span.current);
		});
		const feed = effect(() => { if (plot.current) put(plot.current, p.data.value, span.current); });
		const size = new ResizeObserver(() => {
			plot.current?.setSize({ width: Math.max(200, el.clientWidth), height: HEIGHT });
		});
		size.observe(el);
		return () => {
			size.disconnect();
			feed();
			stop();
			plot.current?.destroy();
			plot.current = null;
			cursor.value = null;
		};
	}, []);
	useEffect(() => { if (plot.current) put(plot.current, p.data.peek(), p.span_s); }, [p.span_s]);
	return (
		<section class="card chart">
			<header><h2>{p.title}</h2><Legend {...p} /></header>
			<div class="plot" role="img" aria-label={words(p)} ref={box} />
		</section>
	);
}
