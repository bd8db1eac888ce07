// Boxes: a card with a heading and what can be done with it; a row of figures; a page's head.
import type { ComponentChildren } from "preact";

export function Page(p: {
	title: ComponentChildren;
	text?: ComponentChildren;
	actions?: ComponentChildren;
	children: ComponentChildren;
}) {
	return (
		<>
			<header class="page-head">
				<div>
					<h1 tabIndex={-1}>{p.title}</h1>
					{p.text && <p>{p.text}</p>}
				</div>
				{p.actions && <div class="actions">{p.actions}</div>}
			</header>
			{p.children}
		</>
	);
}

export function Card(p: {
	title?: ComponentChildren;
	aside?: ComponentChildren;
	class?: string;
	flush?: boolean; // no padding: a table reaches the edges
	children: ComponentChildren;
}) {
	return (
		<section class={`card ${p.flush ? "flush" : ""} ${p.class ?? ""}`}>
			{(p.title || p.aside) && (
				<header>
					{p.title && <h2>{p.title}</h2>}
					{p.aside && <div class="aside">{p.aside}</div>}
				</header>
			)}
			<div class="card-body">{p.children}</div>
		</section>
	);
}

/** Label and value pairs: [["Lane", "echo"], …]; those whose value is null are left out. */
export function Facts({ of }: { of: readonly (readonly [string, ComponentChildren])[] }) {
	return (
		<dl class="facts">
			{of.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => (
				<div key={name}>
					<dt>{name}</dt>
					<dd>{value}</dd>
				</div>
			))}
		</dl>
	);
}

export function Stat(p: { name: string; value: ComponentChildren; note?: ComponentChildren; tone?: string }) {
	return (
		<div class={`stat ${p.tone ?? ""}`}>
			<span class="name">{p.name}</span>
			<span class="value">{p.value}</span>
			{p.note && <span class="note">{p.note}</span>}
		</div>
	);
}

/** A share of 1 as a bar; `label` is read out. */
export function Meter({ value, label, tone }: { value: number; label: string; tone?: string }) {
	const share = Math.max(0, Math.min(1, Number.isFinite(value) ? value : 0));
	return (
		<span class={`meter ${tone ?? (share > 0.9 ? "bad" : share > 0.75 ? "warn" : "")}`} role="img" aria-label={label}>
			<span style={{ width: `${share * 100}%` }} />
		</span>
	);
}
