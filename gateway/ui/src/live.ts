// What /events tells, as signals. A snapshot sets all of them, a delta only those that changed; each
// page reads what it needs and is drawn again only for that. Until the first snapshot `at` is "".
import { batch, signal } from "@preact/signals";
import { parse } from "./api";
import { mergeDecisions, mergeHistory, mergeRows } from "./merge";
import { EventStream, type StreamState } from "./stream";
import type { Lane, Node, Pool } from "./types";
import type {
	Delta, Health, Overview, Point, ScaleEvent, ScalerStatus, Snapshot,
} from "./types_operate";

export const at = signal("");
export const overview = signal<Overview>({});
export const lanes = signal<readonly Lane[]>([]);
export const nodes = signal<readonly Node[]>([]);
export const pools = signal<readonly Pool[]>([]);
export const scaler = signal<ScalerStatus>({});
export const health = signal<Health | null>(null);
export const history = signal<readonly Point[]>([]);
export const decisions = signal<readonly ScaleEvent[]>([]);

export interface Connection { state: StreamState; why: string; retryAt: number }
export const connection = signal<Connection>({ state: "connecting", why: "", retryAt: 0 });

export function applySnapshot(s: Snapshot) {
	batch(() => {
		at.value = s.at ?? new Date().toISOString();
		overview.value = s.overview ?? {};
		lanes.value = mergeRows([], s.lanes, undefined, (l) => l.name);
		nodes.value = mergeRows([], s.nodes, undefined, (n) => n.name);
		pools.value = mergeRows([], s.pools, undefined, (p) => p.pool_name);
		scaler.value = s.scaler ?? {};
		health.value = s.health ?? null;
		history.value = mergeHistory([], s.history);
		decisions.value = mergeDecisions([], s.decisions);
	});
}

export function applyDelta(d: Delta) {
	batch(() => {
		at.value = d.at ?? at.value;
		if (d.overview)
			overview.value = d.overview;
		if (d.lanes || d.removed?.lanes)
			lanes.value = mergeRows(lanes.value, d.lanes, d.removed?.lanes, (l) => l.name);
		if (d.nodes || d.removed?.nodes)
			nodes.value = mergeRows(nodes.value, d.nodes, d.removed?.nodes, (n) => n.name);
		if (d.pools || d.removed?.pools)
			pools.value = mergeRows(pools.value, d.pools, d.removed?.pools, (p) => p.pool_name);
		if (d.scaler)
			scaler.value = d.scaler;
		if (d.health)
			health.value = d.health;
		history.value = mergeHistory(history.value, d.history);
		decisions.value = mergeDecisions(decisions.value, d.decisions);
	});
}

const stream = new EventStream({
	url: () => "events",
	on: (e) => {
		if (e.event === "snapshot")
			applySnapshot(parse<Snapshot>(e.data));
		else if (e.event === "delta")
			applyDelta(parse<Delta>(e.data));
	},
	state: (state, why, retryAt) => { connection.value = { state, why, retryAt }; },
});

export function startLive() { stream.open(); }
/** After the token changed, or when a person does not want to wait. */
export function reconnectLive() { stream.again(true); }
