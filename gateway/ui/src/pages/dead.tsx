// Dead letters: which failures and how often; the letters of one; one letter (parts/dead_letter.tsx).
import { useEffect } from "preact/hooks";
import { count, plural } from "../format";
import { overview } from "../live";
import { useLoad } from "../load";
import { href, place } from "../location";
import { canary, startCanary } from "../parts/canary_live";
import { CanaryView } from "../parts/canary_view";
import { discard, replay } from "../parts/dead_acts";
import { DeadLetterView } from "../parts/dead_letter";
import { DeadLetters } from "../parts/dead_letters";
import type { DeadGroup, DeadGroups } from "../types_operate";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card, Page } from "../ui/card";
import { Empty, Failed, Loading, Stale } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { Ago } from "../ui/time";

export function DeadPage({ id }: { id?: string }) {
	if (id)
		return <DeadLetterView id={id} />;
	const query = place.value.query;
	const fingerprint = query.get("fingerprint") ?? "";
	return fingerprint || query.get("type")
		? <DeadLetters fingerprint={fingerprint} type={query.get("type") ?? ""} />
		: <Groups />;
}

export function canaryOf(g: DeadGroup) {
	void startCanary({ fingerprint: g.fingerprint }, g.type ?? "", g.count ?? 0, g.fingerprint);
}

export function GroupActs({ group: g, after }: { group: DeadGroup; after: () => void }) {
	const select = { fingerprint: g.fingerprint };
	const busy = canary.value !== null && !canary.value.canary.over;
	return (
		<span class="acts">
			<Button small icon="retry" scope="operate" label={`Replay group ${g.fingerprint}`}
				onClick={() => replay(select, g.count ?? 0).then((yes) => yes && after())}>Replay</Button>
			<Button small icon="lanes" kind="quiet" scope="operate" label={`Canary of ${g.fingerprint}`} disabled={busy}
				title={busy ? "One canary at a time" : "One, then 10 %, then the rest"} onClick={() => canaryOf(g)}>Canary</Button>
			<Button small icon="trash" kind="quiet" scope="operate" label={`Discard group ${g.fingerprint}`}
				onClick={() => discard(select, g.count ?? 0).then((yes) => yes && after())}>Discard</Button>
		</span>
	);
}

function columns(after: () => void): Column<DeadGroup>[] {
	return [
		{
			name: "Failure", sort: (g) => g.fingerprint,
			cell: (g) => <a class="mono" href={href("/dead", { fingerprint: g.fingerprint })}>{g.fingerprint}</a>,
		},
		{ name: "Letters", right: true, sort: (g) => g.count ?? 0, cell: (g) => count(g.count) },
		{ name: "Type", sort: (g) => g.type ?? "", cell: (g) => g.type || <Badge tone="bad">invalid</Badge> },
		{ name: "Reason", wide: true, sort: (g) => g.reason ?? "", cell: (g) => g.reason },
		{ name: "Newest error", grow: true, cell: (g) => <span class="cut" title={g.error}>{g.error}</span> },
		{ name: "First", wide: true, right: true, sort: (g) => g.first_at ?? "", cell: (g) => <Ago at={g.first_at} /> },
		{ name: "Last", right: true, wide: true, sort: (g) => g.last_at ?? "", cell: (g) => <Ago at={g.last_at} /> },
		{ name: "Act", head: <span class="hidden">Act</span>, right: true, cell: (g) => <GroupActs group={g} after={after} /> },
	];
}

/** Asks again when the number of dead tasks moves, at most every two seconds. */
export function useWhenDeadMove(reload: () => void) {
	const dead = overview.value.depths?.dead ?? 0;
	useEffect(() => {
		const timer = setTimeout(reload, 2000);
		return () => clearTimeout(timer);
	}, [dead, canary.value]);
}

function Groups() {
	const { data, error, loading, stale, reload } = useLoad<DeadGroups>("/dead/groups", undefined, 10_000);
	useWhenDeadMove(reload);
	const groups = data?.groups ?? [];
	return (
		<Page title="Dead letters" text="Tasks that are over without a result, by failure: errors that differ only in numbers, ids, paths and quoted words are one.">
			<CanaryView />
			<Card flush title="Failures" aside={data && `${plural(groups.length, "failure")}, ${plural(data.letters ?? 0, "letter")}`}>
				{stale && <Stale error={error} />}
				{loading && <Loading what="Looking through the dead letters" />}
				{error && !data && <Failed error={error} retry={reload} />}
				{data && <Table caption="Failures, with their dead letters" columns={columns(reload)} rows={groups} rowKey={(g) => g.fingerprint}
					sortBy="Letters" descending empty={<Empty title="No dead letter"><p>What can't be done, after all its attempts, will be here to be replayed.</p></Empty>} />}
			</Card>
			{data?.next_cursor && <p class="mute below">There are more than could be looked through at once; these are of the oldest.</p>}
			{data?.ungrouped ? <p class="mute below">{count(data.ungrouped)} more letters are of further failures.</p> : null}
		</Page>
	);
}
