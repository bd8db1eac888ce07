// The keyboard: `g` and a letter goes to a page, `/` to the search, `?` tells all of it. Nothing is
// taken from who types into a field or holds a modifier, nor while a dialog is open.
import { signal } from "@preact/signals";
import { go } from "../location";
import { pages } from "../pages";

export const helpOpen = signal(false);
const SEQUENCE_MS = 1500;
let pending = 0;

function typing(target: EventTarget | null): boolean {
	return target instanceof HTMLElement &&
		(target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function onKey(e: KeyboardEvent) {
	if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented)
		return;
	if (typing(e.target)) {
		if (e.key === "Escape")
			(e.target as HTMLElement).blur();
		return;
	}
	if (document.querySelector("dialog[open]"))
		return;
	if (pending && Date.now() - pending < SEQUENCE_MS) {
		pending = 0;
		const page = pages.find((p) => p.key === e.key);
		if (page) {
			e.preventDefault();
			go(page.path);
		}
		return;
	}
	if (e.key === "g") {
		pending = Date.now();
	} else if (e.key === "/") {
		const field = document.querySelector<HTMLInputElement>("main [data-search]") ??
			document.querySelector<HTMLInputElement>("[data-search]");
		if (field) {
			e.preventDefault();
			field.focus();
			field.select();
		}
	} else if (e.key === "?") {
		e.preventDefault();
		helpOpen.value = true;
	} else if (e.key === "n") {
		e.preventDefault();
		go("/submit");
	}
}

export function startKeys() { window.addEventListener("keydown", onKey); }
