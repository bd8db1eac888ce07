// The same of what operators look at: the scaler, dead letters, schedules, healing, the audit, and
// what /events and /api/v1/me say.
import type { Headers, Lane, Node, Pool, TaskState } from "./types";

export interface ScaleEvent {
	id: string;
	at?: string;
	epoch?: number;
	scaler?: string;
	pool?: string;
	action?: string;
	node?: string;
	agent?: string;
	from?: number;
	to?: number;
	reason?: string;
	waiting?: number;
	oldest_s?: number;
	arrival_per_s?: number;
	forecast_per_s?: number;
	service_s?: number;
	utilization?: number;
	wait_s?: number;
}
export interface ScalerStatus {
	leader?: string;
	host?: string;
	epoch?: number;
	since_at?: string;
	pools?: number;
	nodes?: number;
	observed_at?: string;
}
export interface Prediction {
	lane?: string;
	start_at?: string;
	wait_s?: number;
	ahead?: number;
	slots?: number;
	service_s?: number;
	basis?: string;
}

export interface DeadLetter {
	id: string;
	type?: string;
	fingerprint?: string;
	reason?: string;
	error?: string;
	attempts?: number;
	node?: string;
	lane?: string;
	version?: string;
	submitted_at?: string;
	started_at?: string;
	died_at?: string;
	seq?: number;
	body_bytes?: number;
	content_type?: string;
	retry_of?: string;
	retry_id?: string;
	left_out?: string;
	body?: string;
	body_base64?: string;
	headers?: Headers;
}
export interface DeadPage { letters?: DeadLetter[]; next_cursor?: string }
export interface DeadGroup {
	fingerprint: string;
	type?: string;
	count?: number;
	reason?: string;
	error?: string;
	version?: string;
	id?: string;
	first_at?: string;
	last_at?: string;
}
export interface DeadGroups {
	groups?: DeadGroup[];
	letters?: number;
	next_cursor?: string;
	ungrouped?: number;
}
export interface DeadSelect {
	id?: string;
	seq?: number;
	type?: string;
	fingerprint?: string;
	all?: boolean;
	limit?: number;
	cursor?: string;
	after_at?: string;
}
export interface DeadItem {
	id: string;
	retry_id?: string;
	outcome?: "replayed" | "already" | "discarded" | "failed";
	error?: string;
	seq?: number;
	type?: string;
	fingerprint?: string;
}
export interface DeadDone {
	replayed?: number;
	already?: number;
	discarded?: number;
	failed?: number;
	items?: DeadItem[];
	next_cursor?: string;
}

export interface Schedule {
	name: string;
	cron: string;
	tz?: string;
	catch_up?: "none" | "last" | "all";
	type?: string;
	headers?: Headers;
	body?: string;
	body_base64?: string;
	paused?: boolean;
	created_at?: string;
	since_at?: string;
	last_tick_at?: string;
	last_task?: string;
	ticks?: number;
	next_tick_at?: string;
	error?: string;
}

export interface HealCheck {
	check: string;
	host?: string;
	subject?: string;
	level?: "ok" | "warning" | "critical";
	value?: number;
	limit?: number;
	at?: string;
}
export interface HealStatus { checks?: HealCheck[]; permissions?: string[]; initialized?: boolean }
export interface HealEvent extends HealCheck {
	id: string;
	epoch?: number;
	scaler?: string;
	action?: string;
	result?: "done" | "failed" | "denied" | "none";
	reason?: string;
	took_ms?: number;
	by?: string;
}

export interface AuditLane extends Partial<Record<TaskState, number>> {
	lane?: string;
	accepted?: number;
	messages?: number;
	missing?: number;
	unresolved?: number;
	repaired?: number;
}
export interface Audit {
	pass?: number;
	finished_at?: string;
	took_ms?: number;
	drift?: number;
	repaired_total?: number;
	watched?: number;
	total?: AuditLane;
	lanes?: AuditLane[];
	tasks_waiting?: number;
	delayed_messages?: number;
	direct_messages?: number;
	events_waiting?: number;
	act_waiting?: number;
	complete?: boolean;
}

// ---- /events ----
export interface Quantiles { p50_ms?: number; p95_ms?: number; p99_ms?: number }
export interface Overview {
	rates?: {
		submitted?: number; started?: number; completed?: number;
		failed?: number; retried?: number; dead?: number;
	};
	depths?: {
		scheduled?: number; queued?: number; running?: number; retrying?: number; dead?: number;
	};
	totals?: { submitted?: number; completed?: number; dead?: number; cancelled?: number };
	wait?: Quantiles;
	run?: Quantiles;
	nodes?: { ready?: number; draining?: number; slots?: number; used?: number };
	sla?: { target_ms?: number; compliance?: number };
}
/** One a second; null where unknown. `t` in seconds, waits and runs in milliseconds. */
export interface Point {
	t: number;
	submitted?: number | null;
	completed?: number | null;
	dead?: number | null;
	queued?: number | null;
	running?: number | null;
	wait_p50?: number | null;
	wait_p95?: number | null;
	wait_p99?: number | null;
	run_p50?: number | null;
	run_p95?: number | null;
	run_p99?: number | null;
	nodes?: number | null;
	target?: number | null;
}
export interface Problem { level: "critical" | "warning"; what: string; remedy?: string }
export interface Part { ok?: boolean; why?: string }
export interface Health {
	ok?: boolean;
	broker?: Part;
	database?: Part;
	router?: number;
	store?: number;
	scaler?: number;
	nodes?: number;
	problems?: Problem[];
}
export interface Snapshot {
	at?: string;
	overview?: Overview;
	lanes?: Lane[];
	nodes?: Node[];
	pools?: Pool[];
	scaler?: ScalerStatus;
	health?: Health;
	history?: Point[];
	decisions?: ScaleEvent[];
}
export interface Delta extends Snapshot {
	removed?: { lanes?: string[]; nodes?: string[]; pools?: string[] };
}
export interface TailBatch {
	tasks?: { id: string; type?: string; state?: TaskState }[];
	more?: number;
}

export type Scope = "read" | "submit" | "operate";
export interface Me { scopes: Scope[]; tokens?: boolean; version?: string }
