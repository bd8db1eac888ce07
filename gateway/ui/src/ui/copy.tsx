// Something to take along: an id, a command.
import { Button } from "./button";
import { done } from "./toast";

export async function copy(text: string, what: string) {
	await navigator.clipboard.writeText(text);
	done(`${what} copied`);
}
export function CopyButton({ text, what, children }: { text: string; what: string; children?: string }) {
	return children
		? <Button icon="copy" small onClick={() => copy(text, what)}>{children}</Button>
		: <Button icon="copy" kind="quiet" small label={`Copy ${what}`} onClick={() => copy(text, what)} />;
}

export function download(data: BlobPart, type: string, name: string) {
	const url = URL.createObjectURL(new Blob([data], { type }));
	const a = document.createElement("a");
	a.href = url;
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
