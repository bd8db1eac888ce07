// What can be done with one task, as buttons; and the commands that would submit it again.
import { useState } from "preact/hooks";
import { api, part } from "../api";
import { bytesOf, textOf } from "../bytes";
import { nodes } from "../live";
import { go, href, taskHref } from "../location";
import { me } from "../session";
import { again, asCurl, asMillrace, asNats, type Draft } from "../shell";
import { isFinished } from "../tasks_query";
import type { Task, TaskCancelled, TaskReassigned, TaskRetried } from "../types";
import { Button } from "../ui/button";
import { Card } from "../ui/card";
import { CopyButton } from "../ui/copy";
import { confirm, Dialog } from "../ui/dialog";
import { Choice, Select } from "../ui/field";
import { done, failed } from "../ui/toast";

const INLINE_MAX = 4096; // a longer body makes no command that anybody reads

export function TaskActions({ task, reload }: { task: Task; reload: () => void }) {
	const [moving, setMoving] = useState(false);
	const over = isFinished(task.state);
	const cancel = async () => {
		const yes = await confirm({
			title: "Cancel this task?", danger: true, yes: "Cancel the task",
			text: task.state === "running" ? "Its handler is ended where it runs." : "It will not run.",
		});
		if (!yes)
			return;
		const answer = await api.post<TaskCancelled>(`/tasks/${part(task.id)}/cancel`);
		const what = answer.tasks?.[0]?.what;
		done(what === "ending" ? "Its node was told to end it" : what === "final" ? "It had ended before" : "Cancelled");
		reload();
	};
	const retry = async () => {
		const answer = await api.post<TaskRetried>(`/tasks/${part(task.id)}/retry`);
		done(answer.again ? "Its last retry has not ended yet; here it is" : "Submitted anew");
		go(taskHref(answer.id));
	};
	return (
		<>
			<Button icon="edit" scope="submit" title="Its type, headers and body in the form, to be changed"
				onClick={() => go(href("/submit", { from: task.id }))}>Edit and resubmit</Button>
			{!over && <Button icon="move" scope="operate" onClick={() => setMoving(true)}>Reassign</Button>}
			{!over && <Button icon="stop" kind="danger" scope="operate" onClick={cancel}>Cancel</Button>}
			{over && <Button icon="retry" kind="primary" scope="operate" onClick={retry}>Retry</Button>}
			{moving && <Reassign task={task} onClose={() => { setMoving(false); reload(); }} />}
		</>
	);
}

function Reassign({ task, onClose }: { task: Task; onClose: () => void }) {
	const [to, setTo] = useState("");
	const others = nodes.value.filter((n) => n.state === "ready" && n.name !== task.node).map((n) => [n.name, `${n.name} (${n.used ?? 0} of ${n.slots ?? 0} slots in use)`] as const);
	const elsewhere = task.node ? `any but ${task.node}` : "any";
	const move = async () => {
		try {
			await api.post<TaskReassigned>(`/tasks/${part(task.id)}/reassign`, to ? { node: to } : {});
			done(to ? `Given to ${to}` : "It goes to another node");
			onClose();
		} catch (e) {
			failed(e);
		}
	};
	return (
		<Dialog title="Reassign" onClose={onClose}>
			<form onSubmit={(e) => { e.preventDefault(); void move(); }}>
				<p>Where it runs it is ended; no attempt is spent.</p>
				<Select label="To node" value={to} onChange={setTo} options={[["", elsewhere], ...others]} />
				<footer>
					<Button onClick={onClose}>No, leave it</Button>
					<Button kind="primary" type="submit">Reassign</Button>
				</footer>
			</form>
		</Dialog>
	);
}

const TOOLS = ["nats", "curl", "millrace"] as const;

export function CopyAs({ task }: { task: Task }) {
	const [tool, setTool] = useState<string>("nats");
	const data = bytesOf(task, "body");
	const text = data ? textOf(data) : "";
	const draft: Draft = {
		type: task.type,
		headers: again(task.headers),
		body: text !== null && text.length <= INLINE_MAX && !(data === null && (task.body_bytes ?? 0) > 0) ? text : null,
		file: `${task.id}.body`,
	};
	const base = new URL(".", location.href.split("#")[0]!).href;
	const command = tool === "nats" ? asNats(draft) : tool === "curl" ? asCurl(draft, base, me.value?.tokens ?? false) : asMillrace(draft);
	return (
		<Card title="Again, from a shell" aside={<Choice label="Tool" value={tool} onChange={setTool} options={TOOLS} />}>
			<div class="command">
				<pre class="code" tabIndex={0} role="region" aria-label="The command">{command}</pre>
				<CopyButton text={command} what="the command" />
			</div>
			{draft.body === null && <p class="mute small">The body is no short text: download it as <code>{draft.file}</code> first.</p>}
		</Card>
	);
}
