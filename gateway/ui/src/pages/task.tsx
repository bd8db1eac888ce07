// One task: where it stands and why, its attempts, what it was given and what came of it.
import { useMemo } from "preact/hooks";
import { count, ms } from "../format";
import { lanes, nodes } from "../live";
import { useLoad } from "../load";
import { href, taskHref } from "../location";
import { properName } from "../shell";
import { isFinished } from "../tasks_query";
import { whyWaiting } from "../task_why";
import type { Task } from "../types";
import type { Prediction } from "../types_operate";
import { StateBadge } from "../ui/badge";
import { Card, Facts, Page } from "../ui/card";
import { CopyButton } from "../ui/copy";
import { Failed, Loading, Stale } from "../ui/states";
import { Ago, now, Time } from "../ui/time";
import { CopyAs, TaskActions } from "./task_actions";
import { Attempts } from "./task_attempts";
import { TaskBytes } from "./task_bytes";

const REFRESH_MS = 1000;
const path = (id: string) => `/tasks/${encodeURIComponent(id)}`;

export function TaskPage({ id }: { id: string }) {
	const ended = useMemo(() => ({ yes: false }), [id]);
	const { data: task, error, stale, reload } = useLoad<Task>(path(id), undefined, ended.yes ? 0 : REFRESH_MS);
	ended.yes = isFinished(task?.state);
	const title = <span class="task-title"><span class="mono">{id}</span> <CopyButton text={id} what="the id" /></span>;
	if (!task)
		return (
			<Page title={title}>
				{error ? <Failed error={error} retry={reload} /> : <Loading />}
				{error?.status === 404 && <p class="state">Ids are told exactly, upper and lower case matter. <a href="#/tasks">All tasks</a></p>}
			</Page>
		);
	return (
		<Page title={title}
			text={<span class="task-under"><StateBadge state={task.state} /> <a href={href("/tasks", { type: task.type })}>{task.type}</a></span>}
			actions={<TaskActions task={task} reload={reload} />}>
			{stale && <Stale error={error} />}
			<div class="stack">
				<Why task={task} />
				{task.error && task.state !== "scheduled" && (
					<Card title={task.reason && task.reason !== "error" ? `Error: ${task.reason}` : "Error"} class="error-card">
						<pre class="bad-text">{task.error}</pre>
						{task.fingerprint && task.state === "dead" && (
							<p class="small"><a href={href("/dead", { fingerprint: task.fingerprint })}>All dead letters with this failure</a></p>
						)}
					</Card>
				)}
				<Card><Summary task={task} /></Card>
				<Attempts task={task} />
				<div class="grid halves">
					<TaskBytes task={task} what="body" key={`body ${task.id}`} />
					{isFinished(task.state) && <TaskBytes task={task} what="result" key={`result ${task.id}`} />}
				</div>
				<div class="grid halves">
					<HeaderList task={task} />
					<CopyAs task={task} />
				</div>
			</div>
		</Page>
	);
}

function Summary({ task: t }: { task: Task }) {
	const link = (key: string, value: string | undefined) =>
		value ? <a href={href("/tasks", { [key]: value })}>{value}</a> : null;
	const other = (id: string | undefined) => id ? <a class="mono" href={taskHref(id)}>{id}</a> : null;
	return (
		<Facts of={[
			["Lane", t.lane ? <a href={href(`/lanes/${encodeURIComponent(t.lane)}`)}>{t.lane}</a> : null],
			["Node", t.node ? <a href={href(`/nodes/${encodeURIComponent(t.node)}`)}>{t.node}</a> : null],
			["Priority", t.priority],
			["Project", link("project", t.project)],
			["Attempt", t.attempts && t.attempt ? `${count(t.attempt)} of ${count(t.attempts)}` : null],
			["Submitted", t.submitted_at ? <><Time at={t.submitted_at} /> <span class="mute nowrap">(<Ago at={t.submitted_at} />)</span></> : null],
			["Due", t.due_at && !isFinished(t.state) ? <><Time at={t.due_at} /> <span class="mute nowrap">(<Ago at={t.due_at} />)</span></> : null],
			["Started", t.started_at ? <Time at={t.started_at} /> : null],
			["Ended", t.finished_at ? <Time at={t.finished_at} /> : null],
			["Waited", t.wait_ms !== undefined ? ms(t.wait_ms) : null],
			["Ran", t.duration_ms !== undefined ? ms(t.duration_ms) : null],
			["Epoch", t.epoch ? <span class="mono">{String(t.epoch)}</span> : null],
			["Retry of", other(t.retry_of)],
			["Retried as", other(t.retried_as)],
		]} />
	);
}

function HeaderList({ task }: { task: Task }) {
	const headers = Object.entries(task.headers ?? {});
	return (
		<Card title="Headers" flush>
			{headers.length === 0 ? <p class="pad mute">none</p> : (
				<div class="table-box" tabIndex={0} role="region" aria-label="Headers">
					<table>
						<caption class="hidden">Headers of the submission</caption>
						<tbody>
							{headers.map(([k, v]) => (
								<tr key={k}><th scope="row" class="mono">{properName(k)}</th><td class="mono wrap">{v}</td></tr>
							))}
						</tbody>
					</table>
				</div>
			)}
		</Card>
	);
}

function Why({ task }: { task: Task }) {
	const lane = lanes.value.find((l) => l.name === task.lane);
	const reasons = whyWaiting(task, lane, nodes.value, now.value);
	const queued = task.state === "queued" && !!lane?.nodes && !lane.paused;
	const query = { type: task.type, requires: lane?.requires, priority: task.priority };
	const { data: p } = useLoad<Prediction>(queued ? "/predict" : null, query);
	if (reasons.length === 0)
		return null;
	return (
		<Card title="Why it waits" class="why">
			<ul>
				{reasons.map((r) => (
					<li key={r.what}>
						{r.what} {r.remedy && <span class="remedy">{/[.!?]$/.test(r.remedy) ? r.remedy : `${r.remedy}.`}</span>} {r.link && <a href={r.link[0]}>{r.link[1]}</a>}
					</li>
				))}
			</ul>
			{queued && p?.basis && (
				<p class="mute small">A task of its kind that came now would begin {p.start_at ? <Ago at={p.start_at} /> : "never, as things are"}: {p.basis}</p>
			)}
		</Card>
	);
}
