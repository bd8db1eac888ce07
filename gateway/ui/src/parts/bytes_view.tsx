// Bytes of a body: text as such (JSON set out), else the beginning in hex; all of it to take along.
import { bytes as size } from "../format";
import { CopyButton, download } from "../ui/copy";
import { Button } from "../ui/button";
import { bytesOf, hexDump, pretty } from "./bytes";

const HEX_MAX = 512;

export function BytesView({ text, base64, type, length, name }: {
	text: string | undefined | null;
	base64: string | undefined | null;
	type?: string | undefined | null;
	length?: number | undefined | null;
	name: string; // of the file that it is saved as
}) {
	const data = bytesOf(text, base64);
	if (!data) {
		return length
			? <p class="mute">{size(length)} that do not fit into an answer. <code>millrace dead show {name} --body</code> has them.</p>
			: <p class="mute">It is empty.</p>;
	}
	const shown = text ?? hexDump(data.subarray(0, HEX_MAX));
	return (
		<div class="bytes">
			<div class="bytes-head mute">
				<span>{size(data.length)}{type ? `, ${type}` : ""}{base64 ? ", binary" : ""}</span>
				<span class="acts">
					{typeof text === "string" && <CopyButton text={text} what="body" />}
					<Button icon="download" kind="quiet" small label="Save the body as a file"
						onClick={() => download(data as BlobPart, type || "application/octet-stream", name)} />
				</span>
			</div>
			<pre tabIndex={0} aria-label="Body">{base64 ? shown : pretty(text ?? "", type)}{base64 && data.length > HEX_MAX ? "\n…" : ""}</pre>
		</div>
	);
}
