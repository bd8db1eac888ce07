// A dead letter with another body: a new task, with the letter's own headers but those that would make
// it the old one again. Which letter it came from stands in its Task-Meta.
import { useState } from "preact/hooks";
import { address, part, request, sentence } from "../api";
import { go, taskHref } from "../location";
import { can } from "../session";
import type { Headers } from "../types";
import type { DeadLetter } from "../types_operate";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Check, TextArea } from "../ui/field";
import { done, failed } from "../ui/toast";
import { workOff } from "./dead_acts";

// Who it is, when it was to run, and what others set: not the new task's.
const DROPPED = /^(nats-|task-(id|at|delay|object|unique|unique-for|wait|reply-to|attempt$|epoch|flow|meta))/i;

/** The headers of the new task. Only Task-* and Content-Type pass the gateway. */
export function headersFor(letter: DeadLetter): { headers: Headers; lost: string[] } {
	const headers: Headers = {};
	const lost: string[] = [];
	for (const [name, value] of Object.entries(letter.headers ?? {})) {
		if (DROPPED.test(name))
			continue;
		if (/^(task-|content-type$|traceparent$)/i.test(name))
			headers[name] = value;
		else
			lost.push(name);
	}
	const meta = Object.entries(letter.headers ?? {}).find(([name]) => /^task-meta$/i.test(name))?.[1];
	let more: Record<string, unknown> = {};
	try {
		const known: unknown = meta ? JSON.parse(meta) : {};
		more = known && typeof known === "object" && !Array.isArray(known) ? known as Record<string, unknown> : { meta: known };
	} catch {
		more = { meta };
	}
	headers["Task-Meta"] = JSON.stringify({ ...more, edited_from: letter.id });
	if (!Object.keys(headers).some((name) => /^content-type$/i.test(name)))
		headers["Content-Type"] = letter.content_type || "text/plain; charset=utf-8";
	return { headers, lost };
}

export function EditReplay({ letter, onClose }: { letter: DeadLetter; onClose: () => void }) {
	const [body, setBody] = useState(letter.body ?? "");
	const [away, setAway] = useState(true);
	const [fault, setFault] = useState("");
	const { headers, lost } = headersFor(letter);
	const submit = async () => {
		try {
			const answer = await request(address(`/submit/${part(letter.type ?? "")}`), { method: "POST", body, headers });
			const { id } = (await answer.json()) as { id: string };
			done(<>Submitted as <a class="mono" href={taskHref(id)}>{id}</a></>);
			if (away && can("operate"))
				await workOff("discard", { id: letter.id }).catch(failed);
			go(taskHref(id));
			onClose();
		} catch (e) {
			setFault(sentence(e));
		}
	};
	return (
		<Dialog title="Edit and replay" wide onClose={onClose}>
			<form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
				<p>A new task of type <code>{letter.type}</code> with this body; priority, requirements and limits as the letter had them.</p>
				<TextArea label="Body" value={body} onInput={setBody} rows={14} error={fault} />
				{can("operate") && <Check label="Discard the letter once the new task is submitted" checked={away} onChange={setAway} />}
				{lost.length > 0 && <p class="mute">Headers that are not taken along: {lost.join(", ")}</p>}
				<footer>
					<Button onClick={onClose}>Leave it</Button>
					<Button kind="primary" type="submit" scope="submit" disabled={!letter.type}>Submit as a new task</Button>
				</footer>
			</form>
		</Dialog>
	);
}
