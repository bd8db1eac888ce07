// One dead letter: what it died of, its headers and body; replay as it is, or (by the submit form) with
// another body.
import { part } from "../api";
import { bytesOf } from "../bytes";
import { bytes, count } from "../format";
import { useLoad } from "../load";
import { go, href, taskHref } from "../location";
import type { DeadLetter } from "../types_operate";
import { Button } from "../ui/button";
import { Card, Facts, Page } from "../ui/card";
import { CopyButton } from "../ui/copy";
import { Empty, Failed, Loading } from "../ui/states";
import { Ago, Time } from "../ui/time";
import { Viewer } from "../ui/viewer";
import { discard, replay } from "./dead_acts";

export function HeaderList({ of }: { of: Record<string, string> | undefined | null }) {
	const all = Object.entries(of ?? {});
	if (!all.length)
		return <p class="mute">None.</p>;
	return (
		<dl class="headers">
			{all.map(([name, value]) => <div key={name}><dt>{name}</dt><dd class="mono">{value}</dd></div>)}
		</dl>
	);
}

export function DeadLetterView({ id }: { id: string }) {
	const { data: l, error, loading, reload } = useLoad<DeadLetter>(`/dead/${part(id)}`);
	const title = <>Dead letter <span class="mono">{id}</span></>;
	if (error?.status === 404) {
		return (
			<Page title={title} text={<a href="#/dead">All failures</a>}>
				<Empty title="There is no such letter"><p>It was replayed, or discarded. <a href={taskHref(id)}>The task itself</a></p></Empty>
			</Page>
		);
	}
	if (!l)
		return <Page title={title}>{loading ? <Loading /> : error && <Failed error={error} retry={reload} />}</Page>;
	const body = bytesOf(l, "body") ?? ((l.body_bytes ?? 0) === 0 ? new Uint8Array() : null);
	return (
		<Page title={title}
			text={<><a href={href("/dead", { fingerprint: l.fingerprint })}>Others of failure {l.fingerprint}</a> · <a href={taskHref(id)}>the task</a></>}
			actions={(
				<>
					<Button icon="retry" kind="primary" scope="operate"
						onClick={() => replay({ id }, 1).then(() => go(taskHref(l.retry_id ?? id)))}>Replay</Button>
					<Button icon="edit" scope="submit" disabled={!body || !l.type} title={body ? "" : "Its body did not fit into the letter"}
						onClick={() => go(href("/submit", { dead: id }))}>Edit and replay…</Button>
					<Button icon="trash" kind="danger" scope="operate"
						onClick={() => discard({ id }, 1).then((yes) => yes && go(href("/dead", { fingerprint: l.fingerprint })))}>Discard</Button>
				</>
			)}>
			<Card title="What it died of" aside={<CopyButton text={l.error ?? ""} what="error" />}>
				<p class="error-text mono">{l.error || l.reason}</p>
				<Facts of={[
					["Reason", l.reason], ["Type", l.type || "could not be understood"], ["Attempts", count(l.attempts)],
					["Node of the last", l.node && <a class="mono" href={href(`/nodes/${part(l.node)}`)}>{l.node}</a>],
					["Lane", l.lane && <a class="mono" href={href(`/lanes/${part(l.lane)}`)}>{l.lane}</a>],
					["Handler's version", l.version],
					["Submitted", <Time at={l.submitted_at} />], ["Died", <Ago at={l.died_at} />],
					["Replay of", l.retry_of && <a class="mono" href={taskHref(l.retry_of)}>{l.retry_of}</a>],
					["A replay is", l.retry_id && <span class="mono">{l.retry_id}</span>],
					["Left out", l.left_out], ["In DEAD", l.seq && `message ${l.seq}`],
				]} />
			</Card>
			<div class="grid halves">
				<Card title="Headers"><HeaderList of={l.headers} /></Card>
				<Card flush title="Body" aside={l.left_out && `left out: ${l.left_out}`}>
					{body ? <Viewer data={body} type={l.content_type ?? ""} name={id} what="body" />
						: <p class="pad mute">{bytes(l.body_bytes)} that do not fit into an answer. <code>nats stream get DEAD {l.seq}</code> has them.</p>}
				</Card>
			</div>
		</Page>
	);
}
