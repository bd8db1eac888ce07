// Submitting a task: any type, any body or file, its headers; then what becomes of it. An old task
// (?from=) or a dead letter (?dead=) may be what it begins with.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, ApiError, part, sentence } from "../api";
import { bytesOf, textOf } from "../bytes";
import { EMPTY, faults as faultsOf, fieldOf, formOf, guessType, submissionOf, type Form } from "../draft";
import { bytes as size, percent, seconds } from "../format";
import { useLoad } from "../load";
import { place, taskHref } from "../location";
import { whyNot } from "../session";
import { again } from "../shell";
import type { Task } from "../types";
import type { DeadLetter, Prediction } from "../types_operate";
import { Button } from "../ui/button";
import { Card, Meter, Page } from "../ui/card";
import { Empty } from "../ui/states";
import { base64Of, newKey, upload } from "../upload";
import { BodyField, ExtraHeaders, Facts, TypeField, type Faults, type Source } from "./submit_fields";
import { LetterLeft } from "../parts/letter_left";
import { Outcome } from "./submit_outcome";

export interface Sent { id: string; type: string; duplicate: boolean }

const EDITED_FROM = "Edited-From";

/** The old task's, or letter's, type, headers and bytes. */
async function origin(query: URLSearchParams) {
	const [from, dead] = [query.get("from"), query.get("dead")];
	if (!from && !dead)
		return null;
	const path = from ? `/tasks/${part(from)}` : `/dead/${part(dead!)}`;
	const old = await api.get<Task | DeadLetter>(path);
	let data = bytesOf(old, "body");
	if (!data && (old.body_bytes ?? 0) > 0 && from)
		data = (await api.bytes(`${path}/body`)).data;
	// What is submitted knows where it comes from; a handler may read it, nobody else does.
	const headers = { ...again(old.headers), [EDITED_FROM]: old.id };
	return { id: old.id, type: old.type ?? "", headers, data: data ?? new Uint8Array() };
}

export function SubmitPage() {
	const { query } = place.value;
	const refusal = whyNot("submit");
	const [form, setForm] = useState<Form>({ ...EMPTY, type: query.get("type") ?? "" });
	const [source, setSource] = useState<Source>("text");
	const [file, setFile] = useState<File | null>(null);
	const [kept, setKept] = useState<{ data: Uint8Array; of: string } | null>(null); // bytes that are no text
	const [tried, setTried] = useState(false);
	const [said, setSaid] = useState<Faults>({}); // what the gateway found wrong
	const [fault, setFault] = useState("");
	const [share, setShare] = useState<number | null>(null);
	const [sent, setSent] = useState<readonly Sent[]>([]);
	const key = useRef(newKey());
	const stop = useRef<AbortController | null>(null);

	useEffect(() => {
		origin(query).then((old) => {
			if (!old)
				return;
			const text = textOf(old.data);
			setForm(formOf(old.type, old.headers, text ?? ""));
			setKept(text === null ? { data: old.data, of: old.id } : null);
			setSource(text === null ? "file" : "text");
		}).catch((e) => setFault(sentence(e)));
		return () => stop.current?.abort();
	}, [query.toString()]);

	const set = (changes: Partial<Form>) => {
		setForm((old) => ({ ...old, ...changes }));
		setSaid({});
		setFault("");
		key.current = newKey();
	};
	const found = { ...(tried ? faultsOf(form) : {}), ...said };
	const body = (): Blob | string => source === "text" ? form.text
		: file ?? (kept ? new Blob([kept.data as BlobPart]) : "");

	const submit = async () => {
		setTried(true);
		setFault("");
		if (Object.keys(faultsOf(form)).length)
			return;
		const payload = body();
		const type = form.contentType || (source === "text" ? guessType(form.text) : file?.type || "application/octet-stream");
		const s = submissionOf({ ...form, contentType: type });
		stop.current = new AbortController();
		setShare(0);
		try {
			const bytes = s.spec === null ? payload : JSON.stringify(typeof payload === "string"
				? { ...s.spec, payload } : { ...s.spec, payload_base64: await base64Of(payload) });
			const accepted = await upload(s.path, { ...s.headers, "Idempotency-Key": key.current }, bytes, setShare, stop.current.signal);
			setSent((old) => [{ id: accepted.id, type: form.type.trim(), duplicate: accepted.duplicate ?? false }, ...old].slice(0, 20));
			key.current = newKey();
			setTried(false);
		} catch (e) {
			const field = e instanceof ApiError ? fieldOf(e.field) : "";
			if (e instanceof ApiError && field)
				setSaid({ [field]: e.message });
			else if (!(e instanceof DOMException))
				setFault(sentence(e));
		} finally {
			setShare(null);
		}
	};
	const props = { form, faults: found, set };
	return (
		<Page title="Submit a task" text={query.get("from") || query.get("dead")
			? <>With what <a class="mono" href={taskHref(query.get("from") ?? query.get("dead") ?? "")}>{query.get("from") ?? query.get("dead")}</a> had. It becomes a task of its own.</>
			: "It is accepted once the broker has it on disk; then it reaches exactly one end."}>
			<div class="grid sides">
				<Card>
					<form class="form" noValidate onSubmit={(e) => { e.preventDefault(); void submit(); }}>
						<TypeField {...props} />
						<BodyField {...props} source={source} setSource={(s) => { setSource(s); key.current = newKey(); }} file={file}
							setFile={(f) => { setFile(f); key.current = newKey(); }}
							kept={kept ? `${size(kept.data.length)} that ${kept.of} had` : ""} />
						<details open={form.extra.length > 0 || !!(form.priority || form.requires || form.timeout)}>
							<summary>Priority, requirements, time, headers</summary>
							<div class="form"><Facts {...props} /><ExtraHeaders {...props} /></div>
						</details>
						{fault && <p class="bad-text" role="alert">{fault}</p>}
						{refusal && <p class="warn-text">{refusal}.</p>}
						<div class="submit-row">
							<Button kind="primary" type="submit" scope="submit" disabled={share !== null}>Submit</Button>
							{share !== null && (
								<>
									<Meter value={share} label={`Sent ${percent(share, 0)}`} /> <span class="mute">{percent(share, 0)}</span>
									<Button kind="quiet" onClick={() => stop.current?.abort()}>Stop</Button>
								</>
							)}
							<Forecast form={form} />
						</div>
					</form>
				</Card>
				<section aria-label="What was submitted here" class="stack">
					{sent.length === 0 ? <Card><Empty title="Nothing submitted yet"><p>What becomes of it shows here, until you leave this page.</p></Empty></Card>
						: sent.map((s, i) => <Outcome sent={s} key={s.id} open={i === 0} />)}
					{sent.length > 0 && query.get("dead") && <LetterLeft id={query.get("dead")!} key={query.get("dead")} />}
				</section>
			</div>
		</Page>
	);
}

/** When it would begin, by what waits before it; nothing where no scaler says so. */
function Forecast({ form }: { form: Form }) {
	const ok = !faultsOf(form).type && !form.delay && !form.at;
	const [asked, setAsked] = useState("");
	useEffect(() => {
		const timer = setTimeout(() => setAsked(ok ? form.type.trim() : ""), 500);
		return () => clearTimeout(timer);
	}, [ok, form.type]);
	const { data } = useLoad<Prediction>(asked ? "/predict" : null, { type: asked, requires: form.requires, priority: form.priority });
	if (!asked || !data?.basis)
		return null;
	return <span class="mute small" title={data.basis}>{!data.start_at ? "Would not begin, as things are" : (data.wait_s ?? 0) < 0.1 ? "Would begin at once" : `Would begin in ${seconds(data.wait_s)}`}</span>;
}
