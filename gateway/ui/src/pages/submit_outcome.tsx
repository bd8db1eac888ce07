// What becomes of a task that was submitted here, until it has ended; then its result.
import { useEffect, useState } from "preact/hooks";
import { ms } from "../format";
import { useLoad } from "../load";
import { taskHref } from "../location";
import { isFinished } from "../tasks_query";
import type { Task } from "../types";
import { StateBadge } from "../ui/badge";
import { Card } from "../ui/card";
import { Stale } from "../ui/states";
import { TaskBytes } from "./task_bytes";
import type { Sent } from "./submit";

const REFRESH_MS = 500;
const SLOWER_MS = 2000;
const QUICK_FOR_MS = 10_000;

export function Outcome({ sent, open }: { sent: Sent; open: boolean }) {
	const [every, setEvery] = useState(REFRESH_MS);
	const { data: task, error } = useLoad<Task>(`/tasks/${encodeURIComponent(sent.id)}`, undefined, every);
	const over = isFinished(task?.state);
	useEffect(() => {
		if (over)
			return setEvery(0);
		const timer = setTimeout(() => setEvery(SLOWER_MS), QUICK_FOR_MS);
		return () => clearTimeout(timer);
	}, [over]);
	// Not stored yet is no fault: the router has it.
	const state = task?.state ?? "queued";
	return (
		<div class="outcome stack">
			<Card aside={<StateBadge state={state} />} title={<a class="mono" href={taskHref(sent.id)}>{sent.id}</a>}>
				<p role="status">
					{sent.duplicate && "This id was there before: it is the same task. "}
					{state === "completed" ? `${sent.type} ran ${ms(task?.duration_ms)} on ${task?.node ?? "a node"}, after ${ms(task?.wait_ms)}.`
						: state === "dead" ? <span class="bad-text">{task?.error || "It is dead."}</span>
							: state === "cancelled" ? "It was cancelled."
								: state === "running" ? `${sent.type} runs on ${task?.node ?? "a node"}…`
									: state === "scheduled" ? task?.error || "It waits for its time."
										: `${sent.type} waits for a node…`}
				</p>
				{error && error.status !== 404 && <Stale error={error} />}
			</Card>
			{open && task && state === "completed" && <TaskBytes task={task} what="result" />}
		</div>
	);
}
