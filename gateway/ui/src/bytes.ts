// Bytes that are a body or a result: out of a record's JSON, what they seem to be, as hex. Pure.

export function fromBase64(text: string): Uint8Array {
	const raw = atob(text);
	return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

/** The field of a record: "body" as a string, else "body_base64"; null where neither is there. */
export function bytesOf(record: object, field: string): Uint8Array | null {
	const r = record as Record<string, unknown>;
	const text = r[field];
	if (typeof text === "string")
		return new TextEncoder().encode(text);
	const encoded = r[`${field}_base64`];
	return typeof encoded === "string" ? fromBase64(encoded) : null;
}

/** As text where it is UTF-8 without NUL, else null. */
export function textOf(data: Uint8Array): string | null {
	if (data.includes(0))
		return null;
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(data);
	} catch {
		return null;
	}
}

const MAGIC: readonly (readonly [string, readonly number[], number])[] = [
	["image/png", [0x89, 0x50, 0x4e, 0x47], 0],
	["image/jpeg", [0xff, 0xd8, 0xff], 0],
	["image/gif", [0x47, 0x49, 0x46, 0x38], 0],
	["image/bmp", [0x42, 0x4d], 0],
	["image/webp", [0x57, 0x45, 0x42, 0x50], 8],
	["image/avif", [0x66, 0x74, 0x79, 0x70, 0x61, 0x76, 0x69, 0x66], 4],
	["application/pdf", [0x25, 0x50, 0x44, 0x46], 0],
	["application/zip", [0x50, 0x4b, 0x03, 0x04], 0],
	["application/gzip", [0x1f, 0x8b], 0],
	["video/mp4", [0x66, 0x74, 0x79, 0x70], 4],
	["video/webm", [0x1a, 0x45, 0xdf, 0xa3], 0],
];

/** By its first bytes; "" where they say nothing. */
export function sniff(data: Uint8Array): string {
	for (const [type, magic, at] of MAGIC)
		if (magic.every((byte, i) => data[at + i] === byte))
			return type;
	return "";
}

export type Shape = "json" | "text" | "image" | "video" | "hex";

/** How it is looked at best, and how else it can be. */
export function shapesOf(data: Uint8Array, contentType: string): Shape[] {
	const shapes: Shape[] = [];
	const seen = sniff(data);
	if (seen.startsWith("image/"))
		shapes.push("image");
	else if (seen.startsWith("video/"))
		shapes.push("video");
	const text = textOf(data);
	if (text !== null) {
		const first = text.trimStart()[0];
		if (/json/i.test(contentType) || first === "{" || first === "[") {
			try {
				JSON.parse(text);
				shapes.push("json");
			} catch { /* it only looked so */ }
		}
		shapes.push("text");
	}
	shapes.push("hex");
	return shapes;
}

/** A name that a downloaded file may have. */
export function fileName(id: string, what: string, type: string): string {
	const ends: Record<string, string> = {
		"application/json": "json", "text/plain": "txt", "text/csv": "csv", "text/html": "html", "image/png": "png",
		"image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "application/pdf": "pdf", "video/mp4": "mp4",
	};
	const end = ends[type.split(";")[0]!.trim().toLowerCase()] ?? "bin";
	return `${id}.${what}.${end}`;
}

const HEX_MAX_ROWS = 1024;

/** Sixteen bytes a line, as hexdump -C has it; cut off after 16 KiB. */
export function hexDump(data: Uint8Array): string {
	const lines: string[] = [];
	const rows = Math.min(HEX_MAX_ROWS, Math.ceil(data.length / 16));
	for (let r = 0; r < rows; r++) {
		const row = data.subarray(r * 16, r * 16 + 16);
		const hex = Array.from(row, (b) => b.toString(16).padStart(2, "0"));
		const left = hex.slice(0, 8).join(" ").padEnd(23);
		const right = hex.slice(8).join(" ").padEnd(23);
		const text = Array.from(row, (b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : ".")).join("");
		lines.push(`${(r * 16).toString(16).padStart(8, "0")}  ${left}  ${right}  |${text}|`);
	}
	if (rows * 16 < data.length)
		lines.push(`… ${data.length - rows * 16} bytes more`);
	return lines.join("\n");
}
