// A new schedule. Its next ticks stand beside it while it is written, by the router's own reading of
// the expression, so that nobody saves a riddle.
import { useEffect, useState } from "preact/hooks";
import { api, ApiError, sentence } from "../api";
import { ago, time } from "../format";
import type { Schedule } from "../types_operate";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Check, Select, TextArea, TextField } from "../ui/field";
import { now } from "../ui/time";
import { done } from "../ui/toast";
import { faultOf } from "./lane_forms";

const QUIET_MS = 300; // after the last key

interface Ticks { at: string[]; fault: string; asking: boolean }

/** What the expression would do; asked when the typing stops. */
function useTicks(cron: string, tz: string): Ticks {
	const [ticks, set] = useState<Ticks>({ at: [], fault: "", asking: false });
	useEffect(() => {
		if (!cron.trim())
			return set({ at: [], fault: "", asking: false });
		const mine = new AbortController();
		set((old) => ({ ...old, asking: true }));
		const timer = setTimeout(async () => {
			try {
				const { ticks_at } = await api.get<{ ticks_at?: string[] }>("/schedule-ticks", { cron: cron.trim(), tz: tz.trim(), count: 5 }, mine.signal);
				set({ at: ticks_at ?? [], fault: "", asking: false });
			} catch (e) {
				if (!mine.signal.aborted)
					set({ at: [], fault: e instanceof ApiError ? e.message : sentence(e), asking: false });
			}
		}, QUIET_MS);
		return () => {
			clearTimeout(timer);
			mine.abort();
		};
	}, [cron, tz]);
	return ticks;
}

function zones(): string[] {
	return typeof Intl.supportedValuesOf === "function" ? ["UTC", ...Intl.supportedValuesOf("timeZone")] : ["UTC"];
}

const CATCH_UP = [["none", "None: they are left out"], ["last", "The last one"], ["all", "All of them"]] as const;
const EMPTY = {
	name: "", cron: "", tz: "UTC", type: "", body: "", catch_up: "none", priority: "normal",
	requires: "", timeout: "", paused: false, replace: false,
};

function requestOf(v: typeof EMPTY): Record<string, unknown> {
	const headers: Record<string, string> = {};
	if (v.priority !== "normal")
		headers["Task-Priority"] = v.priority;
	if (v.requires.trim())
		headers["Task-Requires"] = v.requires.trim();
	if (v.timeout.trim())
		headers["Task-Timeout"] = v.timeout.trim();
	return {
		name: v.name.trim(), cron: v.cron.trim(), tz: v.tz.trim(), type: v.type.trim(), catch_up: v.catch_up,
		headers, paused: v.paused, replace: v.replace, ...(v.body && { body: v.body }),
	};
}

export function AddSchedule({ types, onClose, onDone }: { types: readonly string[]; onClose: () => void; onDone: () => void }) {
	const [v, set] = useState(EMPTY);
	const [fault, setFault] = useState<{ field: string; text: string }>();
	const ticks = useTicks(v.cron, v.tz);
	const text = (key: "name" | "cron" | "tz" | "type" | "body" | "requires" | "timeout") =>
		({ value: v[key], onInput: (value: string) => set({ ...v, [key]: value }) });
	const wrong = (name: string) => (fault?.field === name ? fault.text : "");
	const add = async () => {
		try {
			const s = await api.post<Schedule>("/schedules", requestOf(v));
			done(`${s.name}: ${s.paused ? "saved, paused" : `next at ${time(s.next_tick_at)}`}`);
			onDone();
			onClose();
		} catch (e) {
			setFault(faultOf(e, ["name", "cron", "tz", "type", "body", "catch_up"]));
		}
	};
	return (
		<Dialog title="New schedule" wide onClose={onClose}>
			<form onSubmit={(e) => { e.preventDefault(); void add(); }}>
				<div class="row">
					<TextField label="Name" {...text("name")} required autoFocus mono placeholder="nightly" error={wrong("name")} />
					<TextField label="Type of its tasks" {...text("type")} required mono list={types} error={wrong("type")} />
				</div>
				<div class="row">
					<TextField label="When" {...text("cron")} required mono placeholder="30 2 * * *"
						hint="minute hour day month weekday; seconds first where six; @hourly; @every 90s" error={wrong("cron") || ticks.fault} />
					<TextField label="Time zone" {...text("tz")} list={zones()} error={wrong("tz")} />
				</div>
				<section class="ticks" aria-label="Next ticks" aria-live="polite" aria-busy={ticks.asking}>
					<h3>Next ticks</h3>
					{ticks.at.length > 0
						? <ol>{ticks.at.map((t) => <li key={t}><time dateTime={t}>{time(t)}</time> <span class="mute">{ago(t, now.value)}</span></li>)}</ol>
						: <p class="mute">{ticks.fault ? "None." : v.cron.trim() ? "…" : "Write when, and they are shown here, in your local time."}</p>}
				</section>
				<TextArea label="Body" {...text("body")} rows={4} error={wrong("body")} />
				<div class="row">
					<Select label="Ticks that were missed" value={v.catch_up} onChange={(catch_up) => set({ ...v, catch_up })} options={CATCH_UP} />
					<Select label="Priority" value={v.priority} onChange={(priority) => set({ ...v, priority })} options={["high", "normal", "low"]} />
					<TextField label="Requires" {...text("requires")} placeholder="gpu,plugin-x" mono />
					<TextField label="Timeout" {...text("timeout")} placeholder="300s" mono />
				</div>
				<Check label="Paused: it ticks once it is resumed" checked={v.paused} onChange={(paused) => set({ ...v, paused })} />
				<Check label="Replace a schedule of that name" checked={v.replace} onChange={(replace) => set({ ...v, replace })} />
				{fault && !fault.field && <p class="fault" role="alert">{fault.text}</p>}
				<footer>
					<Button onClick={onClose}>Leave it</Button>
					<Button kind="primary" type="submit" scope="operate" disabled={!v.name.trim() || !v.type.trim() || !v.cron.trim() || !!ticks.fault}>Save</Button>
				</footer>
			</form>
		</Dialog>
	);
}
