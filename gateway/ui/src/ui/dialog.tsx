// Dialogs on the browser's own <dialog>: focus is kept inside and given back, Escape closes.
// confirm() asks once more before something that cannot be taken back.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button } from "./button";

export function Dialog(p: {
	title: string;
	onClose: () => void;
	children: ComponentChildren;
	wide?: boolean;
}) {
	const ref = useRef<HTMLDialogElement>(null);
	const id = useId();
	useEffect(() => {
		const before = document.activeElement;
		const dialog = ref.current;
		dialog?.showModal();
		return () => {
			dialog?.close();
			if (before instanceof HTMLElement)
				before.focus();
		};
	}, []);
	return (
		<dialog ref={ref} class={p.wide ? "dialog wide" : "dialog"} aria-labelledby={id}
			onCancel={(e) => { e.preventDefault(); p.onClose(); }}
			onClick={(e) => { if (e.target === ref.current) p.onClose(); }}>
			<div class="dialog-inner">
				<header>
					<h2 id={id}>{p.title}</h2>
					<Button icon="close" kind="quiet" label="Close" onClick={p.onClose} />
				</header>
				{p.children}
			</div>
		</dialog>
	);
}

export interface Question {
	title: string;
	text: ComponentChildren;
	yes: string; // the verb, on the button: "Cancel 12 tasks"
	danger?: boolean;
}

const asked = signal<(Question & { answer: (yes: boolean) => void }) | null>(null);

/** Resolves true only if the person says so. */
export function confirm(question: Question): Promise<boolean> {
	asked.value?.answer(false);
	return new Promise((resolve) => {
		asked.value = {
			...question,
			answer: (yes) => {
				asked.value = null;
				resolve(yes);
			},
		};
	});
}

export function ConfirmHost() {
	const q = asked.value;
	if (!q)
		return null;
	return (
		<Dialog title={q.title} onClose={() => q.answer(false)} key={q.title}>
			<div class="dialog-text">{q.text}</div>
			<footer>
				<Button onClick={() => q.answer(false)}>No, leave it</Button>
				<Button kind={q.danger ? "danger" : "primary"} onClick={() => q.answer(true)}>{q.yes}</Button>
			</footer>
		</Dialog>
	);
}
