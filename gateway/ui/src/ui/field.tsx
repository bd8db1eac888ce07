// Form controls with a label, a hint and what is wrong, tied together for screen readers.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Common { label: string; hint?: ComponentChildren; error?: string; class?: string }

function Frame(p: Common & { id: string; children: ComponentChildren }) {
	return (
		<div class={`field ${p.error ? "wrong" : ""} ${p.class ?? ""}`}>
			<label for={p.id}>{p.label}</label>
			{p.children}
			{p.hint && <span class="hint" id={`${p.id}-hint`}>{p.hint}</span>}
			{p.error && <span class="fault" id={`${p.id}-fault`}>{p.error}</span>}
		</div>
	);
}
function described(id: string, p: Common) {
	const by = [p.hint && `${id}-hint`, p.error && `${id}-fault`].filter(Boolean).join(" ");
	return { "aria-describedby": by || undefined, "aria-invalid": p.error ? (true as const) : undefined };
}

export interface TextProps extends Common {
	value: string;
	onInput: (value: string) => void;
	onEnter?: () => void;
	type?: "text" | "number" | "password" | "search" | "datetime-local";
	placeholder?: string;
	list?: readonly string[];
	search?: boolean; // `/` goes here
	autoFocus?: boolean;
	required?: boolean;
	mono?: boolean;
	min?: number;
}
export function TextField(p: TextProps) {
	const id = useId();
	return (
		<Frame {...p} id={id}>
			<input id={id} type={(p.type ?? "text") as "text"} value={p.value} placeholder={p.placeholder}
				class={p.mono ? "mono" : undefined} min={p.min} step={p.type === "number" ? "any" : undefined}
				list={p.list ? `${id}-list` : undefined} data-search={p.search ? "" : undefined}
				autoFocus={p.autoFocus} required={p.required} autoComplete="off" spellcheck={false}
				onInput={(e) => p.onInput(e.currentTarget.value)}
				onKeyDown={(e) => {
					if (e.key === "Enter" && p.onEnter) {
						e.preventDefault();
						p.onEnter();
					}
				}}
				{...described(id, p)} />
			{p.list && <datalist id={`${id}-list`}>{p.list.map((v) => <option value={v} key={v} />)}</datalist>}
		</Frame>
	);
}

export function TextArea(p: Common & {
	value: string; onInput: (value: string) => void; rows?: number; placeholder?: string;
}) {
	const id = useId();
	return (
		<Frame {...p} id={id}>
			<textarea id={id} rows={p.rows ?? 8} value={p.value} placeholder={p.placeholder} spellcheck={false}
				class="mono" onInput={(e) => p.onInput(e.currentTarget.value)} {...described(id, p)} />
		</Frame>
	);
}

export type Option = readonly [value: string, label: string] | string;
export function Select(p: Common & {
	value: string; onChange: (value: string) => void; options: readonly Option[];
}) {
	const id = useId();
	return (
		<Frame {...p} id={id}>
			<select id={id} value={p.value} onChange={(e) => p.onChange(e.currentTarget.value)}
				{...described(id, p)}>
				{p.options.map((o) => {
					const [value, label] = typeof o === "string" ? [o, o] : o;
					return <option value={value} key={value} selected={value === p.value}>{label}</option>;
				})}
			</select>
		</Frame>
	);
}

export function Check(p: { label: ComponentChildren; checked: boolean; onChange: (on: boolean) => void; disabled?: boolean }) {
	return (
		<label class="check">
			<input type="checkbox" checked={p.checked} disabled={p.disabled}
				onChange={(e) => p.onChange(e.currentTarget.checked)} />
			<span>{p.label}</span>
		</label>
	);
}

/** One of few, as a row of buttons. */
export function Choice(p: { label: string; value: string; onChange: (value: string) => void; options: readonly Option[] }) {
	return (
		<div class="choice" role="group" aria-label={p.label}>
			{p.options.map((o) => {
				const [value, label] = typeof o === "string" ? [o, o] : o;
				return (
					<button type="button" key={value} aria-pressed={value === p.value} onClick={() => p.onChange(value)}>
						{label}
					</button>
				);
			})}
		</div>
	);
}
