// Short words about what was just done, read out by screen readers; faults stay until closed.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { sentence } from "../api";
import { Icon } from "./icons";

interface Toast { id: number; kind: "good" | "bad"; text: ComponentChildren }

const toasts = signal<readonly Toast[]>([]);
const MAX = 4;
const GOOD_MS = 6000;
let next = 1;

function close(id: number) { toasts.value = toasts.value.filter((t) => t.id !== id); }

function add(kind: Toast["kind"], text: ComponentChildren) {
	const id = next++;
	toasts.value = [...toasts.value, { id, kind, text }].slice(-MAX);
	if (kind === "good")
		setTimeout(() => close(id), GOOD_MS);
}
export function done(text: ComponentChildren) { add("good", text); }
export function failed(e: unknown) {
	if (!(e instanceof DOMException && e.name === "AbortError"))
		add("bad", sentence(e));
}

export function Toasts() {
	const of = (kind: Toast["kind"]) => toasts.value.filter((t) => t.kind === kind).map((t) => (
		<div class={`toast ${t.kind}`} key={t.id}>
			<span>{t.text}</span>
			<button type="button" class="button quiet only-icon small" aria-label="Close this message"
				onClick={() => close(t.id)}><Icon name="close" /></button>
		</div>
	));
	return (
		<div class="toasts">
			<div role="status" aria-live="polite">{of("good")}</div>
			<div role="alert" aria-live="assertive">{of("bad")}</div>
		</div>
	);
}
