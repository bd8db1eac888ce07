// A body or a result, whatever it is: JSON, text, an image, a video, else hex; to be copied and downloaded. An
// image is drawn from its bytes, so that no address of it is needed, which could carry no token.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { fileName, hexDump, shapesOf, sniff, textOf, type Shape } from "../bytes";
import { bytes as size } from "../format";
import { Button } from "./button";
import { copy, download } from "./copy";
import { Choice } from "./field";

const SHOWN_MAX = 256 * 1024; // characters; a browser is slow with more of them in one place
const NAMES: Record<Shape, string> = { json: "JSON", text: "Text", image: "Image", video: "Video", hex: "Hex" };

function Picture({ data, type }: { data: Uint8Array; type: string }) {
	const ref = useRef<HTMLCanvasElement>(null);
	const [words, setWords] = useState("");
	useEffect(() => {
		let current = true;
		createImageBitmap(new Blob([data as BlobPart], { type })).then((image) => {
			const canvas = ref.current;
			if (!current || !canvas)
				return;
			canvas.width = image.width;
			canvas.height = image.height;
			canvas.getContext("2d")?.drawImage(image, 0, 0);
			setWords(`${image.width} × ${image.height} pixels`);
		}, () => { if (current) setWords("This image cannot be drawn here. It can be downloaded."); });
		return () => { current = false; };
	}, [data]);
	return (
		<figure class="picture">
			<canvas ref={ref} role="img" aria-label={`The image: ${words}`} />
			<figcaption class="mute">{words}</figcaption>
		</figure>
	);
}

/** From its bytes as well, under an address that only this page knows. */
function Film({ data, type, what }: { data: Uint8Array; type: string; what: string }) {
	const [url, setUrl] = useState("");
	useEffect(() => {
		const made = URL.createObjectURL(new Blob([data as BlobPart], { type }));
		setUrl(made);
		return () => URL.revokeObjectURL(made);
	}, [data]);
	return <figure class="picture">{url && <video src={url} controls preload="metadata" aria-label={`The ${what} as a video`} />}</figure>;
}

function pretty(text: string): string {
	try {
		// Numbers beyond 2^53 would lose digits on the way through JSON.parse.
		return /\d{16,}/.test(text) ? text : JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}

export function Viewer(p: { data: Uint8Array; type: string; name: string; what: string }) {
	const shapes = useMemo(() => shapesOf(p.data, p.type), [p.data, p.type]);
	const [picked, setPicked] = useState<Shape | null>(null);
	const shape = picked && shapes.includes(picked) ? picked : shapes[0]!;
	const text = useMemo(() => textOf(p.data), [p.data]);
	const words = useMemo(() => {
		const all = shape === "hex" ? hexDump(p.data) : shape === "json" ? pretty(text ?? "") : text ?? "";
		return all.length > SHOWN_MAX ? `${all.slice(0, SHOWN_MAX)}\n… cut here; download it for the rest` : all;
	}, [shape, p.data, text]);
	const type = p.type || sniff(p.data) || (text === null ? "application/octet-stream" : "text/plain");
	return (
		<div class="viewer">
			<div class="viewer-bar">
				{shapes.length > 1 && (
					<Choice label={`Show the ${p.what} as`} value={shape} onChange={(s) => setPicked(s as Shape)}
						options={shapes.map((s) => [s, NAMES[s]] as const)} />
				)}
				<span class="mute">{size(p.data.length)}{p.type && ` · ${p.type}`}</span>
				<span class="right-end">
					{text !== null && <Button icon="copy" kind="quiet" small label={`Copy the ${p.what}`} onClick={() => copy(text, p.what)} />}
					<Button icon="download" kind="quiet" small label={`Download the ${p.what}`}
						onClick={() => download(p.data as BlobPart, type, fileName(p.name, p.what, type))} />
				</span>
			</div>
			{p.data.length === 0 ? <p class="mute pad">empty</p>
				: shape === "video" ? <Film data={p.data} type={sniff(p.data)} what={p.what} />
				: shape === "image" ? <Picture data={p.data} type={sniff(p.data)} />
					: <pre class={`code ${shape}`} tabIndex={0} role="region" aria-label={`The ${p.what}`}>{words}</pre>}
		</div>
	);
}
