// States as words with a colour; the word alone says it all.
import type { ComponentChildren } from "preact";

const TONES: Record<string, string> = {
	scheduled: "violet", queued: "blue", running: "teal", completed: "good", dead: "bad", cancelled: "mute",
	ready: "good", draining: "warn", stopped: "mute", lost: "bad",
	idle: "good", busy: "teal", starting: "blue", backoff: "warn", gone: "mute",
	ok: "good", warning: "warn", critical: "bad",
	done: "good", failed: "bad", denied: "warn", none: "mute",
	high: "warn", normal: "mute", low: "mute",
	replayed: "good", already: "mute", discarded: "mute", paused: "warn",
};

export function Badge({ tone, children }: { tone?: string; children: ComponentChildren }) {
	return <span class={`badge ${tone ?? "mute"}`}>{children}</span>;
}
export function StateBadge({ state }: { state: string | undefined }) {
	return <Badge tone={TONES[state ?? ""] ?? "mute"}>{state || "unknown"}</Badge>;
}
export function Chips({ of, none = "–" }: { of: readonly string[] | undefined; none?: string }) {
	if (!of?.length)
		return <span class="mute">{none}</span>;
	return <span class="chips">{of.map((word) => <span class="chip" key={word}>{word}</span>)}</span>;
}
