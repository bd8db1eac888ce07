// What a page shows while it has nothing to show: it waits, it failed, there is nothing.
import type { ComponentChildren } from "preact";
import { sentence, type ApiError } from "../api";
import { Button } from "./button";

export function Loading({ what = "Loading" }: { what?: string }) {
	return <p class="state" role="status"><span class="spinner" aria-hidden="true" /> {what}…</p>;
}

export function Failed({ error, retry }: { error: ApiError; retry?: () => void }) {
	const away = error.unavailable;
	return (
		<div class="state failed" role="alert">
			<p><strong>{away ? "Not to be had at the moment" : error.status === 404 ? "Not found" : "That did not work"}</strong></p>
			<p>{sentence(error)}</p>
			{away && <p class="mute">This page asks again by itself.</p>}
			{retry && <Button icon="retry" onClick={retry}>Try now</Button>}
		</div>
	);
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
	return (
		<div class="state empty">
			<p><strong>{title}</strong></p>
			{children}
		</div>
	);
}

/** A line over data that could not be brought up to date. */
export function Stale({ error }: { error: ApiError | null }) {
	return error && <p class="stale" role="status">As it was last known: {sentence(error)}</p>;
}
