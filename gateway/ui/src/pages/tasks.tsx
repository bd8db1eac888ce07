// The list of tasks, newest first: filters in the address, pages by cursor, things done to many at
// once. The first page brings itself up to date while no row is chosen.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, ms, plural, shorten } from "../format";
import { useLoad } from "../load";
import { href, place, setQuery, taskHref } from "../location";
import { can } from "../session";
import { filterOf, inWords, isFiltered, taskQuery } from "../tasks_query";
import type { Task, TaskPage } from "../types";
import { StateBadge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card, Page } from "../ui/card";
import { Empty, Failed, Loading, Stale } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { Ago } from "../ui/time";
import { BatchDialog, type Batch } from "./tasks_batch";
import { Filters } from "./tasks_filter";

const PAGE = 50;
const REFRESH_MS = 3000;

const narrow = (key: string, value: string | undefined) => value
	? <a class="plain-link" href={href("/tasks", { [key]: value })} title={`Only ${key} ${value}`}>{value}</a>
	: <span class="mute">–</span>;

export const taskColumns: Column<Task>[] = [
	{ name: "Task", cell: (t) => <a class="id mono cut" href={taskHref(t.id)} title={t.id}>{t.id}</a> },
	{ name: "Type", cell: (t) => narrow("type", t.type) },
	{ name: "State", cell: (t) => <StateBadge state={t.state} /> },
	{ name: "Submitted", cell: (t) => <Ago at={t.submitted_at} /> },
	{ name: "Lane", wide: true, cell: (t) => narrow("lane", t.lane) },
	{ name: "Node", wide: true, cell: (t) => narrow("node", t.node) },
	{ name: "Attempt", wide: true, right: true, cell: (t) => t.attempt ? `${t.attempt}/${t.attempts ?? 1}` : "–" },
	{ name: "Wait", wide: true, right: true, cell: (t) => ms(t.wait_ms) },
	{ name: "Run", wide: true, right: true, cell: (t) => ms(t.duration_ms) },
	{
		name: "Words", head: "Error", wide: true, grow: true,
		cell: (t) => t.error ? <span class="mute" title={t.error}>{shorten(t.error, 200)}</span> : null,
	},
];

export function TasksPage() {
	const query = place.value.query;
	const text = query.toString();
	const filter = useMemo(() => filterOf(query), [text]);
	const cursor = query.get("cursor") ?? "";
	const [back, setBack] = useState<string[]>([]); // cursors of the pages before this one
	const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
	const [batch, setBatch] = useState<Batch | null>(null);
	// "The last hour" moves on with the clock, but not with every drawing.
	const minute = Math.floor(Date.now() / 60_000) * 60_000;
	const ask = useMemo(() => ({ ...taskQuery(filter, minute), limit: PAGE, cursor }), [text, minute]);
	const page = useLoad<TaskPage>("/tasks", ask, !cursor && chosen.size === 0 ? REFRESH_MS : 0);
	useEffect(() => { setChosen(new Set()); if (!cursor) setBack([]); }, [text]);

	// Rows that are being chosen from stay where they are, whatever is answered meanwhile.
	const shown = useRef<readonly Task[]>([]);
	if (chosen.size === 0)
		shown.current = page.data?.tasks ?? [];
	const rows = shown.current;
	const next = page.data?.next_cursor ?? "";
	const picked = rows.filter((t) => chosen.has(t.id));
	const operate = can("operate");
	const submit = can("submit");
	return (
		<Page title="Tasks" text={isFiltered(filter) ? `Only ${inWords(filter)}.` : "Newest first."}
			actions={<>
				{isFiltered(filter) && <Button kind="quiet" onClick={() => { location.hash = "#/tasks"; }}>Clear filters</Button>}
				{submit && <a class="button primary" href={href("/submit", { type: filter.type })}>New task</a>}
			</>}>
			<Filters filter={filter} />
			<Card flush class={page.busy ? "busy" : ""}
				title={picked.length ? `${plural(picked.length, "task")} chosen` : undefined}
				aside={picked.length ? (
					<>
						<Button small kind="danger" scope="operate" onClick={() => setBatch({ what: "cancel", tasks: picked })}>Cancel</Button>
						<Button small scope="operate" onClick={() => setBatch({ what: "retry", tasks: picked })}>Retry</Button>
						<Button small kind="quiet" onClick={() => setChosen(new Set())}>Choose none</Button>
					</>
				) : operate && rows.length > 0 ? (
					<>
						<span>All that match:</span>
						<Button small onClick={() => setBatch({ what: "cancel", filter })}>Cancel…</Button>
						<Button small onClick={() => setBatch({ what: "retry", filter })}>Retry…</Button>
					</>
				) : undefined}>
				{page.stale && <Stale error={page.error} />}
				{page.loading ? <Loading /> : !page.data ? <Failed error={page.error!} retry={page.reload} /> : (
					<Table caption="Tasks" columns={taskColumns} rows={rows} rowKey={(t) => t.id}
						chosen={chosen} onChoose={operate ? setChosen : undefined}
						empty={<Nothing filtered={isFiltered(filter)} />} />
				)}
				{(back.length > 0 || cursor || next) && (
					<nav class="pager" aria-label="Pages of tasks">
						{cursor && <Button small kind="quiet" onClick={() => { setBack([]); setQuery({ cursor: "" }); }}>Newest</Button>}
						<Button small icon="left" disabled={!back.length} onClick={() => {
							setQuery({ cursor: back[back.length - 1] ?? "" });
							setBack(back.slice(0, -1));
						}}>Newer</Button>
						<span class="mute">{back.length ? `${count(back.length * PAGE + 1)}–${count(back.length * PAGE + rows.length)}` : ""}</span>
						<Button small disabled={!next} onClick={() => {
							setBack([...back, cursor]);
							setQuery({ cursor: next });
						}}>Older</Button>
					</nav>
				)}
			</Card>
			{batch && <BatchDialog batch={batch} onClose={(changed) => {
				setBatch(null);
				if (changed) {
					setChosen(new Set());
					page.reload();
				}
			}} />}
		</Page>
	);
}

function Nothing({ filtered }: { filtered: boolean }) {
	if (filtered)
		return <Empty title="No task matches"><p><a href="#/tasks">Clear the filters</a></p></Empty>;
	return (
		<Empty title="No tasks yet">
			<p><code>nats pub tasks.echo 'hello'</code> makes the first, or <a href="#/submit">submit one here</a>.</p>
		</Empty>
	);
}
