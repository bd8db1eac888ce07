// The dialog for many tasks: it counts first and changes nothing, then asks, then shows how far it is.
import { useEffect, useRef, useState } from "preact/hooks";
import { sentence } from "../api";
import { count, plural } from "../format";
import { carryOut, COLLECT_MAX, planChosen, planFilter, type Plan, type Tally, type What } from "../tasks_batch";
import { inWords, isFiltered, type TaskFilter } from "../tasks_query";
import type { Task } from "../types";
import { Button } from "../ui/button";
import { Meter } from "../ui/card";
import { Dialog } from "../ui/dialog";

export type Batch = { what: What } & ({ tasks: readonly Task[] } | { filter: TaskFilter });

type Phase =
	| { at: "counting"; n: number }
	| { at: "asking"; plan: Plan }
	| { at: "working"; plan: Plan; n: number }
	| { at: "over"; plan: Plan; tally: Tally }
	| { at: "failed"; why: string };

const VERB = { cancel: "Cancel", retry: "Retry" } as const;

export function BatchDialog({ batch, onClose }: { batch: Batch; onClose: (changed: boolean) => void }) {
	const [phase, setPhase] = useState<Phase>({ at: "counting", n: 0 });
	const stop = useRef(new AbortController());
	useEffect(() => {
		const mine = stop.current;
		const count_them = async () => {
			const plan = "tasks" in batch
				? planChosen(batch.what, batch.tasks)
				: await planFilter(batch.what, batch.filter, (n) => setPhase({ at: "counting", n }), mine.signal);
			setPhase({ at: "asking", plan });
		};
		count_them().catch((e) => { if (!mine.signal.aborted) setPhase({ at: "failed", why: sentence(e) }); });
		return () => mine.abort();
	}, []);
	const work = async (plan: Plan) => {
		setPhase({ at: "working", plan, n: 0 });
		try {
			const tally = await carryOut(plan, (n) => setPhase({ at: "working", plan, n }), stop.current.signal);
			setPhase({ at: "over", plan, tally });
		} catch (e) {
			setPhase({ at: "failed", why: sentence(e) });
		}
	};
	const close = () => onClose(phase.at !== "counting" && phase.at !== "asking");
	return (
		<Dialog title={`${VERB[batch.what]} ${"tasks" in batch ? "chosen tasks" : "all that match"}`} onClose={close}>
			{phase.at === "counting" && <p role="status">Counting{phase.n ? `: ${count(phase.n)}` : ""}…</p>}
			{phase.at === "asking" && <Ask batch={batch} plan={phase.plan} onNo={close} onYes={() => void work(phase.plan)} />}
			{phase.at === "working" && (
				<div role="status">
					<p>{count(phase.n)} of {count(phase.plan.matched)}</p>
					<Meter value={phase.n / phase.plan.matched} label={`${phase.n} of ${phase.plan.matched}`} />
					<footer><Button onClick={() => stop.current.abort()}>Stop here</Button></footer>
				</div>
			)}
			{phase.at === "over" && <Over plan={phase.plan} tally={phase.tally} onClose={close} />}
			{phase.at === "failed" && (
				<>
					<p class="bad-text" role="alert">{phase.why}</p>
					<footer><Button onClick={close}>Close</Button></footer>
				</>
			)}
		</Dialog>
	);
}

function Ask(p: { batch: Batch; plan: Plan; onNo: () => void; onYes: () => void }) {
	const { plan, batch } = p;
	const kind = batch.what === "cancel" ? "have not ended" : "have ended";
	const words = "tasks" in batch ? "of the chosen tasks" : inWords(batch.filter);
	if (plan.matched === 0)
		return (
			<>
				<p>None of the {"tasks" in batch ? "chosen tasks" : words} {kind}, so there is nothing to {batch.what}.</p>
				<footer><Button onClick={p.onNo}>Close</Button></footer>
			</>
		);
	return (
		<>
			<div class="dialog-text">
				<p>
					<strong>{plural(plan.matched, "task")}</strong>{" "}
					{"tasks" in batch ? words : `(${words})`} {plan.matched === 1 ? kind.replace("have", "has") : kind}
					{plan.more && `; these are the newest ${count(COLLECT_MAX)}, more match`}.
				</p>
				{batch.what === "cancel"
					? <p>What waits is cancelled at once; what runs is ended by its node. This cannot be taken back, but a cancelled task can be retried.</p>
					: <p>Each runs once more as a new task that is linked to the old one. One whose last retry has not ended is left as it is.</p>}
				{!("tasks" in batch) && !isFiltered(batch.filter) && <p class="warn-text">No filter is set: this means all tasks.</p>}
			</div>
			<footer>
				<Button onClick={p.onNo}>No, leave them</Button>
				<Button kind={batch.what === "cancel" ? "danger" : "primary"} onClick={p.onYes}>
					{`${VERB[batch.what]} ${plural(plan.matched, "task")}`}
				</Button>
			</footer>
		</>
	);
}

function Over({ plan, tally, onClose }: { plan: Plan; tally: Tally; onClose: () => void }) {
	const told = tally.done + tally.ending + tally.skipped + tally.failed;
	return (
		<>
			<ul class="tally">
				<li>{plural(tally.done, "task")} {plan.what === "cancel" ? "cancelled" : "submitted anew"}</li>
				{tally.ending > 0 && <li>{plural(tally.ending, "task")} told to end, as they run</li>}
				{tally.skipped > 0 && <li>{plural(tally.skipped, "task")} {plan.what === "cancel" ? "had ended before" : "had a retry under way"}</li>}
				{tally.failed > 0 && <li class="bad-text">{plural(tally.failed, "task")} not: {tally.firstFault}</li>}
				{!plan.group && told < plan.matched && <li class="warn-text">Stopped: {plural(plan.matched - told, "task")} left as they were</li>}
			</ul>
			<footer><Button kind="primary" onClick={onClose}>Close</Button></footer>
		</>
	);
}
