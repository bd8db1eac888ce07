// Moments: what they are at a glance, and the exact one for who asks. "ago" moves by itself.
import { signal } from "@preact/signals";
import { ago, time, NONE } from "../format";

export const now = signal(Date.now());
setInterval(() => { if (!document.hidden) now.value = Date.now(); }, 1000);

export function Ago({ at }: { at: string | undefined }) {
	return at ? <time dateTime={at} title={at}>{ago(at, now.value)}</time> : <span class="mute">{NONE}</span>;
}
export function Time({ at }: { at: string | undefined }) {
	return at ? <time dateTime={at} title={at}>{time(at)}</time> : <span class="mute">{NONE}</span>;
}
