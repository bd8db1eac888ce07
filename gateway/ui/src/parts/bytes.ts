// Bytes as JSON brings them: a string where they are UTF-8, else base64. Pure.

/** null: neither is there. */
export function bytesOf(text: string | undefined | null, base64: string | undefined | null): Uint8Array | null {
	if (typeof base64 === "string" && base64)
		return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
	return typeof text === "string" && text ? new TextEncoder().encode(text) : null;
}

/** JSON set out in lines, where it is JSON and not long. */
export function pretty(text: string, type: string | undefined | null): string {
	if (text.length > 200_000 || !(type?.includes("json") || /^\s*[[{]/.test(text)))
		return text;
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}

export function hexDump(data: Uint8Array): string {
	const lines: string[] = [];
	for (let i = 0; i < data.length; i += 16) {
		const row = [...data.subarray(i, i + 16)];
		const hex = row.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(47);
		const text = row.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".")).join("");
		lines.push(`${i.toString(16).padStart(6, "0")}  ${hex}  ${text}`);
	}
	return lines.join("\n");
}
