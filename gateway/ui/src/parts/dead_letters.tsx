// The letters of one failure (or of a type), oldest first, in pages.
import { useEffect, useState } from "preact/hooks";
import { api, ApiError, part } from "../api";
import { bytes, count, plural } from "../format";
import { useLoad } from "../load";
import { href } from "../location";
import { GroupActs, useWhenDeadMove } from "../pages/dead";
import type { DeadGroups, DeadLetter, DeadPage } from "../types_operate";
import { Button } from "../ui/button";
import { Card, Facts, Page } from "../ui/card";
import { Empty, Failed, Loading } from "../ui/states";
import { Table, type Column } from "../ui/table";
import { Ago } from "../ui/time";
import { CanaryView } from "./canary_view";
import { discard, replay } from "./dead_acts";

const PAGE = 50;

/** Page after page; `again` begins anew. */
function useLetters(fingerprint: string, type: string) {
	const [letters, set] = useState<DeadLetter[] | null>(null);
	const [cursor, setCursor] = useState("");
	const [error, setError] = useState<ApiError | null>(null);
	const ask = async (from: string, known: readonly DeadLetter[], limit: number) => {
		try {
			const page = await api.get<DeadPage>("/dead", { fingerprint, type, limit, cursor: from });
			set([...known, ...(page.letters ?? [])]);
			setCursor(page.next_cursor ?? "");
			setError(null);
		} catch (e) {
			setError(e instanceof ApiError ? e : new ApiError(0, String(e)));
		}
	};
	const again = () => void ask("", [], Math.max(PAGE, letters?.length ?? 0));
	useEffect(() => void ask("", [], PAGE), [fingerprint, type]);
	return { letters, error, again, more: cursor ? () => ask(cursor, letters ?? [], PAGE) : null };
}

function columns(after: () => void): Column<DeadLetter>[] {
	return [
		{ name: "Task", cell: (l) => <a class="mono" href={href(`/dead/${part(l.id)}`)}>{l.id}</a> },
		{ name: "Died", wide: true, cell: (l) => <Ago at={l.died_at} /> },
		{ name: "Error", grow: true, cell: (l) => <span class="cut" title={l.error}>{l.error}</span> },
		{ name: "Attempts", right: true, wide: true, cell: (l) => count(l.attempts) },
		{ name: "Node", wide: true, cell: (l) => l.node || "–" },
		{ name: "Body", right: true, wide: true, cell: (l) => bytes(l.body_bytes) },
		{
			name: "Act", head: <span class="hidden">Act</span>, right: true,
			cell: (l) => (
				<span class="acts">
					<Button small icon="retry" scope="operate" label={`Replay ${l.id}`} onClick={() => replay({ id: l.id }, 1).then(after)}>Replay</Button>
					<Button small icon="trash" kind="quiet" scope="operate" label={`Discard ${l.id}`}
						onClick={() => discard({ id: l.id }, 1).then((yes) => yes && after())}>Discard</Button>
				</span>
			),
		},
	];
}

export function DeadLetters({ fingerprint, type }: { fingerprint: string; type: string }) {
	const { letters, error, more, again } = useLetters(fingerprint, type);
	const groups = useLoad<DeadGroups>("/dead/groups", { fingerprint, type });
	const renew = () => {
		again();
		groups.reload();
	};
	useWhenDeadMove(renew);
	const group = groups.data?.groups?.find((g) => g.fingerprint === fingerprint);
	return (
		<Page title={fingerprint ? <>Failure <span class="mono">{fingerprint}</span></> : `Dead letters of type ${type}`}
			text={<a href="#/dead">All failures</a>} actions={group && <GroupActs group={group} after={renew} />}>
			<CanaryView />
			{group && (
				<Card title="What they died of">
					<p class="error-text mono">{group.error}</p>
					<Facts of={[
						["Letters", count(group.count)], ["Type", group.type], ["Reason", group.reason],
						["Handler's version", group.version], ["First", <Ago at={group.first_at} />], ["Last", <Ago at={group.last_at} />],
					]} />
				</Card>
			)}
			<Card flush title="Letters" aside={letters && `${plural(letters.length, "letter")}${more ? ", more to come" : ""}`}>
				{!letters && !error && <Loading what="Asking for letters" />}
				{error && !letters && <Failed error={error} retry={renew} />}
				{letters && <Table caption="Dead letters" columns={columns(renew)} rows={letters} rowKey={(l) => `${l.seq}`}
					empty={<Empty title="No letter is left"><p>They were replayed, or discarded.</p></Empty>} />}
			</Card>
			{more && <p class="below"><Button onClick={more}>Show {PAGE} more</Button></p>}
		</Page>
	);
}
