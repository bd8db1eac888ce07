// What changes a lane: pausing, limits, purging. Each a dialog that says what will happen; a fault
// that the gateway finds in a field is told at that field.
import { useState } from "preact/hooks";
import { api, ApiError, part, sentence } from "../api";
import { count, plural } from "../format";
import type { Lane, LaneSetting } from "../types";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Choice, TextField } from "../ui/field";
import { done } from "../ui/toast";

interface Fault { field: string; text: string }

/** The sentence for this field, and once for what belongs to none of them. */
export function faultOf(e: unknown, fields: readonly string[]): Fault {
	const field = e instanceof ApiError && fields.includes(e.field) ? e.field : "";
	return { field, text: field && e instanceof ApiError ? e.message : sentence(e) };
}

const SPANS = [["", "Until resumed"], ["10m", "10 min"], ["1h", "1 hour"], ["other", "Other"]] as const;

export function PauseLane({ lane, onClose }: { lane: string; onClose: () => void }) {
	const [reason, setReason] = useState("");
	const [span, setSpan] = useState<string>("");
	const [other, setOther] = useState("30m");
	const [fault, setFault] = useState<Fault>();
	const pause = async () => {
		const duration = span === "other" ? other.trim() : span;
		try {
			await api.post(`/lanes/${part(lane)}/pause`, { reason: reason.trim(), ...(duration && { duration }) });
			done(`${lane}: paused${duration ? ` for ${duration}` : ""}`);
			onClose();
		} catch (e) {
			setFault(faultOf(e, ["duration", "reason"]));
		}
	};
	return (
		<Dialog title={`Pause ${lane}`} onClose={onClose}>
			<form onSubmit={(e) => { e.preventDefault(); void pause(); }}>
				<p>Nodes take nothing more of it. What runs ends as usual; what comes waits.</p>
				<TextField label="Reason" value={reason} onInput={setReason} placeholder="the model is being replaced"
					hint="Shown to everybody who looks at the lane." autoFocus
					error={fault?.field === "reason" ? fault.text : ""} />
				<Choice label="For how long" value={span} onChange={setSpan} options={SPANS} />
				{span === "other" && (
					<TextField label="Duration" value={other} onInput={setOther} mono hint="200ms, 30s, 5m, 2h, 1d"
						error={fault && fault.field !== "reason" && fault.field ? fault.text : ""} />
				)}
				{fault && !fault.field && <p class="fault" role="alert">{fault.text}</p>}
				<footer>
					<Button onClick={onClose}>Leave it</Button>
					<Button kind="primary" icon="pause" type="submit" scope="operate">Pause</Button>
				</footer>
			</form>
		</Dialog>
	);
}

const LIMITS = [
	["limit", "Depth", "Tasks that may wait on it; more are put off"],
	["rate_per_s", "Rate", "Tasks begun a second, by all nodes together"],
	["concurrency", "Concurrency", "Tasks that run at once, on all nodes together"],
	["key_concurrency", "Per key", "The same for the tasks of one Task-Project"],
] as const;
type LimitName = (typeof LIMITS)[number][0];
type Values = Record<LimitName, string>;

/** What to ask for: what changed, and which limits are to be taken away. null: nothing changed. */
export function limitChange(lane: Lane, values: Values): Record<string, unknown> | null {
	const change: Record<string, unknown> = {};
	const clear: string[] = [];
	for (const [name] of LIMITS) {
		const text = values[name].trim();
		const before = lane[name] ?? 0;
		if (text === "" && before > 0)
			clear.push(name);
		else if (text !== "" && Number(text) !== before)
			change[name] = Number(text);
	}
	if (clear.length)
		change.clear = clear;
	return Object.keys(change).length ? change : null;
}

export function LimitLane({ lane, onClose }: { lane: Lane; onClose: () => void }) {
	const [values, setValues] = useState<Values>(() => Object.fromEntries(
		LIMITS.map(([name]) => [name, lane[name] ? String(lane[name]) : ""])) as Values);
	const [fault, setFault] = useState<Fault>();
	const wrong = LIMITS.find(([name]) => values[name].trim() !== "" && !(Number(values[name]) > 0))?.[0];
	const save = async () => {
		const change = limitChange(lane, values);
		if (wrong)
			return;
		if (!change)
			return onClose();
		try {
			await api.put<LaneSetting>(`/lanes/${part(lane.name)}/limits`, change);
			done(`${lane.name}: limits set`);
			onClose();
		} catch (e) {
			setFault(faultOf(e, LIMITS.map(([name]) => name)));
		}
	};
	return (
		<Dialog title={`Limits of ${lane.name}`} onClose={onClose}>
			<form onSubmit={(e) => { e.preventDefault(); void save(); }}>
				<p>A field that is empty is no limit (of the depth: the configured one). A limit below what waits or runs drops nothing.</p>
				{LIMITS.map(([name, label, hint]) => (
					<TextField key={name} label={label} hint={hint} value={values[name]} placeholder="none"
						onInput={(v) => setValues({ ...values, [name]: v })}
						error={wrong === name ? "A number above 0, or nothing" : fault?.field === name ? fault.text : ""} />
				))}
				{fault && !fault.field && <p class="fault" role="alert">{fault.text}</p>}
				<footer>
					<Button onClick={onClose}>Leave them</Button>
					<Button kind="primary" type="submit" scope="operate" disabled={!!wrong}>Set limits</Button>
				</footer>
			</form>
		</Dialog>
	);
}

export function PurgeLane({ lane, onClose }: { lane: Lane; onClose: () => void }) {
	const [typed, setTyped] = useState("");
	const [fault, setFault] = useState("");
	const sure = typed.trim() === lane.name;
	const purge = async () => {
		if (!sure)
			return;
		try {
			const set = await api.post<LaneSetting>(`/lanes/${part(lane.name)}/purge`, {});
			done(`${lane.name}: ${plural(set.waiting ?? 0, "task")} are being cancelled`);
			onClose();
		} catch (e) {
			setFault(sentence(e));
		}
	};
	return (
		<Dialog title={`Purge ${lane.name}`} onClose={onClose}>
			<form onSubmit={(e) => { e.preventDefault(); void purge(); }}>
				<p>
					<strong>{count(lane.queued)} {lane.queued === 1 ? "task that waits is" : "tasks that wait are"} cancelled.</strong>{" "}
					That can't be undone. Their rows and bodies are kept; what runs, and what waits for its time, is not touched.
				</p>
				<TextField label={`Type the lane's name, ${lane.name}, to go on`} value={typed} onInput={setTyped} mono autoFocus error={fault} />
				<footer>
					<Button onClick={onClose}>Leave it</Button>
					<Button kind="danger" icon="trash" type="submit" scope="operate" disabled={!sure}>Purge</Button>
				</footer>
			</form>
		</Dialog>
	);
}
