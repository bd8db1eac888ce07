// A task's body or its result: out of its record where that has it, else asked for; large ones only
// when somebody wants to see them.
import { useEffect, useState } from "preact/hooks";
import { api, ApiError, part, sentence } from "../api";
import { bytesOf } from "../bytes";
import { bytes as size } from "../format";
import type { Task } from "../types";
import { Button } from "../ui/button";
import { Card } from "../ui/card";
import { Viewer } from "../ui/viewer";

const UNASKED_MAX = 1024 * 1024;

interface Got { data: Uint8Array; type: string }

const header = (t: Task, name: string) =>
	Object.entries(t.headers ?? {}).find(([k]) => k.toLowerCase() === name)?.[1] ?? "";

export function TaskBytes({ task, what }: { task: Task; what: "body" | "result" }) {
	const [got, setGot] = useState<Got | null>(null);
	const [why, setWhy] = useState("");
	const there = bytesOf(task, what);
	const type = what === "result" ? task.content_type ?? "" : header(task, "content-type");
	const length = what === "result" ? task.result_bytes ?? 0 : task.body_bytes ?? 0;
	const elsewhere = what === "result" ? task.result_object ?? "" : header(task, "task-object");
	const load = async () => {
		try {
			const answer = await api.bytes(`/tasks/${part(task.id)}/${what}`);
			setGot({ data: answer.data, type: type || answer.type });
			setWhy("");
		} catch (e) {
			setWhy(e instanceof ApiError && e.status === 404 && what === "body"
				? "It was not kept: it is larger than the store keeps, or its time is over." : sentence(e));
		}
	};
	// Not in the record, though it is somewhere and small enough to be fetched unasked.
	const fetchable = !there && (elsewhere !== "" || length > 0) && !task.result_expired;
	useEffect(() => { if (fetchable && length <= UNASKED_MAX && !elsewhere) void load(); }, [task.id, fetchable]);

	const shown = got ?? (there && { data: there, type });
	const title = what === "result" ? "Result" : "Body";
	return (
		<Card flush title={title} aside={elsewhere && <span class="mono">{elsewhere}</span>}>
			{shown ? <Viewer data={shown.data} type={shown.type} name={task.id} what={what} />
				: why ? <p class="pad mute">{why}</p>
					: fetchable ? (
						<p class="pad">
							{length > 0 && <>{size(length)}. </>}
							<Button small onClick={load}>Show it</Button>
						</p>
					) : <p class="pad mute">{task.result_expired ? "Removed, as its time was over." : what === "body" ? "empty" : "none"}</p>}
		</Card>
	);
}
