// The fields of the submit form.
import { useRef } from "preact/hooks";
import type { Extra, Form } from "../draft";
import { bytes as size } from "../format";
import { lanes, nodes } from "../live";
import { Button } from "../ui/button";
import { Choice, Select, TextArea, TextField } from "../ui/field";
import { knownTypes } from "./tasks_filter";

export type Faults = Partial<Record<keyof Form, string>>;
interface FieldsProps { form: Form; faults: Faults; set: (changes: Partial<Form>) => void }

const BUILT_IN: Record<string, string> = {
	echo: "Returns the body as it is.",
	sleep: "The body is a duration such as 200ms.",
	hash: "Returns the body's SHA-256.",
	stats: "Numbers, as CSV or JSON.",
	fail: "Always fails, with the body as the error.",
	flaky: "The body is N: fails N times, then succeeds.",
};

export function TypeField({ form, faults, set }: FieldsProps) {
	const type = form.type.trim();
	const lane = lanes.value.find((l) => l.name === type);
	const served = nodes.value.filter((n) => n.bridge || (n.types ?? []).includes(type)).length;
	const hint = !type ? "What kind of work it is; a node must have a handler for it."
		: BUILT_IN[type] ?? (served ? `${served} of ${nodes.value.length} nodes can do it.`
			: nodes.value.length ? "No node that is there can do it yet: the task would wait." : "");
	return (
		<TextField label="Type" value={form.type} onInput={(v) => set({ type: v })} list={knownTypes.value} required mono
			search error={faults.type} hint={lane?.paused ? "Its lane is paused: the task would wait." : hint} />
	);
}

export type Source = "text" | "file";

export function BodyField(p: FieldsProps & {
	source: Source; setSource: (s: Source) => void; file: File | null; setFile: (f: File | null) => void; kept: string;
}) {
	const input = useRef<HTMLInputElement>(null);
	const drop = (e: DragEvent) => {
		const file = e.dataTransfer?.files[0];
		if (!file)
			return;
		e.preventDefault();
		p.setFile(file);
		p.setSource("file");
	};
	return (
		<div class="body-field" onDragOver={(e) => e.preventDefault()} onDrop={drop}>
			<div class="body-head">
				<Choice label="Where the body comes from" value={p.source} onChange={(s) => p.setSource(s as Source)}
					options={[["text", "Text or JSON"], ["file", p.kept ? "File or kept bytes" : "File"]]} />
			</div>
			{p.source === "text" ? (
				<TextArea label="Body" value={p.form.text} onInput={(v) => p.set({ text: v })} rows={9}
					hint="Handed to the handler as it is. A file may be dropped here." />
			) : (
				<div class="field drop">
					<label for="file">Body</label>
					<input ref={input} id="file" type="file" class="hidden" onChange={(e) => p.setFile(e.currentTarget.files?.[0] ?? null)} />
					<p>{p.file ? <><strong>{p.file.name}</strong> · {size(p.file.size)} {p.file.type && `· ${p.file.type}`}</>
						: p.kept || "Drop a file here, of any kind and size, or choose one."}</p>
					<Button onClick={() => input.current?.click()}>Choose a file</Button>
				</div>
			)}
			<TextField label="Content type" value={p.form.contentType} onInput={(v) => p.set({ contentType: v })} mono
				placeholder={p.source === "file" ? p.file?.type || "application/octet-stream" : "by what the text looks like"}
				list={["application/json", "text/plain; charset=utf-8", "text/csv", "image/png", "application/octet-stream"]} />
		</div>
	);
}

export function Facts({ form, faults, set }: FieldsProps) {
	const text = (name: keyof Form, label: string, hint: string, more: { placeholder?: string; mono?: boolean } = {}) => (
		<TextField label={label} value={String(form[name])} onInput={(v) => set({ [name]: v })} error={faults[name]} hint={hint} {...more} />
	);
	return (
		<>
			<div class="row">
				<Select label="Priority" value={form.priority} onChange={(v) => set({ priority: v })}
					options={[["", "normal"], ["high", "high"], ["low", "low"]]} hint="Its class on its lane." />
				{text("requires", "Requires", "Capabilities: gpu,plugin-x", { placeholder: "none" })}
				{text("timeout", "Timeout", "Of one attempt.", { placeholder: "5m" })}
				{text("attempts", "Attempts", "All, the first included.", { placeholder: "4" })}
			</div>
			<div class="row">
				{text("delay", "Not before", "So long after now.", { placeholder: "at once" })}
				<TextField label="Or at" type="datetime-local" value={form.at} onInput={(v) => set({ at: v })} error={faults.at} hint="Your local time." />
				{text("expires", "Expires", "Not begun later: dead instead.", { placeholder: "never" })}
				{text("project", "Project", "A word to find it by.", { placeholder: "none" })}
			</div>
			{text("id", "Task id", "The same id twice is one task.", { placeholder: "made for it", mono: true })}
		</>
	);
}

export function ExtraHeaders({ form, faults, set }: FieldsProps) {
	const put = (i: number, changes: Partial<Extra>) =>
		set({ extra: form.extra.map((h, k) => (k === i ? { ...h, ...changes } : h)) });
	return (
		<fieldset class="extra">
			<legend>Headers</legend>
			{form.extra.map((h, i) => (
				<div class="extra-row" key={i}>
					<input class="mono" aria-label={`Name of header ${i + 1}`} placeholder="X-Order" value={h.name}
						onInput={(e) => put(i, { name: e.currentTarget.value })} />
					<input class="mono" aria-label={`Value of header ${i + 1}`} placeholder="value" value={h.value}
						onInput={(e) => put(i, { value: e.currentTarget.value })} />
					<Button icon="trash" kind="quiet" label={`Take header ${i + 1} away`}
						onClick={() => set({ extra: form.extra.filter((_, k) => k !== i) })} />
				</div>
			))}
			{faults.extra && <p class="bad-text small" role="alert">{faults.extra}</p>}
			<Button small onClick={() => set({ extra: [...form.extra, { name: "", value: "" }] })}>Add a header</Button>
			<span class="hint">Any header of your own reaches the handler; Task-… ones are the router's.</span>
		</fieldset>
	);
}
