// Submitting with progress: fetch tells nothing of how much of a body is on its way.
import { address, ApiError, token } from "./api";
import type { Headers } from "./types";

export interface Accepted { id: string; type?: string; state?: string; duplicate?: boolean }

export function upload(
	path: string,
	headers: Headers,
	body: Blob | string,
	onProgress: (share: number) => void,
	signal: AbortSignal,
): Promise<Accepted> {
	return new Promise((resolve, reject) => {
		const x = new XMLHttpRequest();
		x.open("POST", address(path));
		for (const [name, value] of Object.entries(headers))
			x.setRequestHeader(name, value);
		if (token())
			x.setRequestHeader("Authorization", `Bearer ${token()}`);
		x.upload.onprogress = (e) => { if (e.lengthComputable) onProgress(e.loaded / e.total); };
		x.onload = () => {
			let answer: Record<string, unknown> = {};
			try {
				answer = JSON.parse(x.responseText) as Record<string, unknown>;
			} catch { /* not JSON: the status has to do */ }
			if (x.status >= 200 && x.status < 300)
				resolve(answer as unknown as Accepted);
			else
				reject(new ApiError(x.status, String(answer.detail ?? answer.title ?? `${x.status} ${x.statusText}`),
					String(answer.field ?? ""), Number(x.getResponseHeader("Retry-After") ?? 0) || 0));
		};
		x.onerror = () => reject(new ApiError(0, "The gateway does not answer. Nothing is known of this submission; the same again makes no second task."));
		x.onabort = () => reject(new DOMException("Stopped", "AbortError"));
		signal.addEventListener("abort", () => x.abort());
		x.send(body);
	});
}

/** A key that makes the same submission, sent twice, one task. */
export function newKey(): string {
	return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

export async function base64Of(blob: Blob): Promise<string> {
	const data = new Uint8Array(await blob.arrayBuffer());
	let raw = "";
	for (let i = 0; i < data.length; i += 32_768)
		raw += String.fromCharCode(...data.subarray(i, i + 32_768));
	return btoa(raw);
}
