// Light, dark, or as the system has it. The choice is kept in this browser.
import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
const KEY = "millrace.theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme {
	const t = localStorage.getItem(KEY);
	return t === "light" || t === "dark" ? t : "auto";
}
export const theme = signal<Theme>(stored());
const system = signal(dark.matches);
dark.addEventListener("change", (e) => { system.value = e.matches; });

/** Whether it is dark now: charts draw their own colours. */
export const isDark = signal(false);

export function nextTheme() {
	theme.value = theme.value === "auto" ? "light" : theme.value === "light" ? "dark" : "auto";
}
export function startTheme() {
	effect(() => {
		const root = document.documentElement;
		if (theme.value === "auto")
			localStorage.removeItem(KEY);
		else
			localStorage.setItem(KEY, theme.value);
		const on = theme.value === "dark" || (theme.value === "auto" && system.value);
		root.dataset.theme = on ? "dark" : "light";
		isDark.value = on;
	});
}
