// Shapes of the records in proto/*.proto as JSON (rules in common/codec.h): a number that is 0, an
// empty string, false and an empty list may be left out, and null is taken as left out (api.ts), so
// nearly every key is optional. Times are RFC 3339; bytes are a string where they are UTF-8, else under
// <name>_base64.

export type TaskState = "scheduled" | "queued" | "running" | "completed" | "dead" | "cancelled";
export const TASK_STATES: readonly TaskState[] = [
	"scheduled", "queued", "running", "completed", "dead", "cancelled",
];
export type Priority = "high" | "normal" | "low";
export type Headers = Record<string, string>;

export interface Attempt {
	attempt?: number;
	node?: string;
	outcome?: string;
	reason?: string;
	error?: string;
	started_at?: string;
	finished_at?: string;
}

export interface Task {
	id: string;
	type: string;
	state: TaskState;
	attempt?: number;
	attempts?: number;
	lane?: string;
	node?: string;
	priority?: Priority;
	submitted_at?: string;
	queued_at?: string;
	due_at?: string;
	started_at?: string;
	finished_at?: string;
	duration_ms?: number;
	wait_ms?: number;
	result?: string;
	result_base64?: string;
	content_type?: string;
	error?: string;
	reason?: string;
	project?: string;
	body_bytes?: number;
	body?: string;
	body_base64?: string;
	headers?: Headers;
	history?: Attempt[];
	epoch?: number | string;
	fingerprint?: string;
	dead_seq?: number;
	retry_of?: string;
	retried_as?: string;
	result_expired?: boolean;
	result_object?: string;
	result_bytes?: number;
}
export interface TaskPage { tasks?: Task[]; next_cursor?: string }

export interface TaskCancelled {
	tasks?: { id: string; state?: TaskState; what?: "cancelled" | "ending" | "final" | "unknown" }[];
	matched?: number;
	marker?: string;
}
export interface TaskRetried { id: string; retry_of?: string; again?: boolean }
export interface TaskReassigned { id: string; state?: TaskState; node?: string; not_node?: string }

export interface TypeStats extends Partial<Record<TaskState, number>> { type?: string }
export interface Stats { types?: TypeStats[]; total?: TypeStats }

export interface Lane {
	name: string;
	type?: string;
	requires?: string[];
	queued?: number;
	running?: number;
	scheduled?: number;
	paused?: boolean;
	bytes?: number;
	limit?: number;
	nodes?: number;
	high?: number;
	normal?: number;
	low?: number;
	created_at?: string;
	reason?: string;
	until_at?: string;
	rate_per_s?: number;
	concurrency?: number;
	key_concurrency?: number;
	purging?: boolean;
	purged?: number;
	purged_at?: string;
	oldest_at?: string; // of what lies on it: waits or runs
	came?: number; // messages ever put on it
}
export interface LaneSetting {
	name: string;
	known?: boolean;
	paused?: boolean;
	reason?: string;
	until_at?: string;
	limit?: number;
	rate_per_s?: number;
	concurrency?: number;
	key_concurrency?: number;
	purging?: boolean;
	waiting?: number;
	purged_at?: string;
}

export type NodeState = "ready" | "draining" | "stopped" | "lost";
export interface Node {
	name: string;
	pool?: string;
	state?: NodeState;
	slots?: number;
	used?: number;
	capabilities?: string[];
	types?: string[];
	heartbeat_age_s?: number;
	host?: string;
	pid?: number;
	version?: string;
	cpu_percent?: number;
	memory_percent?: number;
	completed?: number;
	failed?: number;
	started_at?: string;
	bridge?: boolean;
	labels?: Headers;
	direct?: number;
}
export interface NodePerformance {
	name: string;
	pool?: string;
	state?: string;
	completed?: number;
	failed?: number;
	success_rate?: number;
	avg_duration_ms?: number;
	running?: number;
	slots?: number;
	cpu_percent?: number;
	memory_percent?: number;
	uptime_s?: number;
	last_seen_at?: string;
}
export interface AgentPerformance {
	agent_id: string;
	role_type?: string;
	node?: string;
	pool?: string;
	project_id?: string;
	state?: string;
	completed?: number;
	failed?: number;
	success_rate?: number;
	started_at?: string;
	last_active_at?: string;
	heartbeat_at?: string;
}
export interface Performance { nodes?: NodePerformance[]; agents?: AgentPerformance[] }

export interface Pool {
	pool_name: string;
	process_count?: number;
	total_capacity?: number;
	used_capacity?: number;
	available_capacity?: number;
	agent_count?: number;
	utilization?: number;
	active_worker_processes?: number;
	driver?: string;
	min?: number;
	max?: number;
	target?: number;
	fixed?: number;
	scaled?: boolean;
	starting?: number;
	draining?: number;
	waiting?: number;
	oldest_s?: number;
	arrival_per_s?: number;
	forecast_per_s?: number;
	service_s?: number;
	wait_s?: number;
	promise_s?: number;
	reason?: string;
	suspended?: boolean;
	nodes?: string[];
	types?: string[];
	lanes?: string[];
}

export interface AgentStatus {
	agent_id?: string;
	role_type?: string;
	state?: "starting" | "idle" | "busy" | "backoff";
	pid?: number;
	tasks?: number;
	errors?: number;
	started_at?: string;
	last_active_at?: string;
	heartbeat_at?: string;
	project_id?: string;
}
export interface Agent {
	agent_id: string;
	role_type?: string;
	project_id?: string;
	pool_name?: string;
	node?: string;
	heartbeat_interval_ms?: number;
	max_idle_ms?: number;
	spawned_at?: string;
	placements?: number;
	status?: AgentStatus;
}
