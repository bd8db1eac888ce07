// What waits on a lane, by class, as one bar: its length against the deepest lane of the table.
import { count } from "../format";
import type { Lane } from "../types";

const CLASSES = ["high", "normal", "low"] as const;

export function DepthBar({ lane, deepest }: { lane: Lane; deepest: number }) {
	const queued = lane.queued ?? 0;
	// Roots: a lane of ten is still seen beside one of a million.
	const length = deepest > 0 ? Math.sqrt(queued / deepest) : 0;
	const sum = CLASSES.reduce((n, c) => n + (lane[c] ?? 0), 0);
	const words = CLASSES.map((c) => `${count(lane[c])} ${c}`).join(", ");
	return (
		<span class="depth" title={words}>
			<span class="depth-bar" role="img" aria-label={`${count(queued)} wait: ${words}`}>
				<span class="depth-fill" style={{ width: `${queued ? Math.max(length * 100, 3) : 0}%` }}>
					{CLASSES.map((c) => (
						<span key={c} class={c} style={{ flexGrow: sum ? (lane[c] ?? 0) : c === "normal" ? 1 : 0 }} />
					))}
				</span>
			</span>
			<span class="depth-count">{count(queued)}</span>
		</span>
	);
}

export function DepthKey() {
	return (
		<span class="depth-key">
			{CLASSES.map((c) => <span key={c}><i class={c} aria-hidden="true" />{c}</span>)}
		</span>
	);
}
