import { describe, expect, it } from "vitest";
import { SseParser, type ServerEvent } from "../src/sse";

function parse(...pieces: string[]) {
	const events: ServerEvent[] = [];
	const parser = new SseParser((e) => events.push(e));
	for (const piece of pieces)
		parser.feed(piece);
	return { events, parser };
}

const TEXT = 'id: 7\nevent: delta\ndata: {"a":1}\n\n: heartbeat\n\ndata: x\ndata: y\n\n';
const EVENTS = [
	{ event: "delta", data: '{"a":1}', id: "7" },
	{ event: "message", data: "x\ny", id: "7" },
];

describe("server-sent events", () => {
	it("are read whole", () => expect(parse(TEXT).events).toEqual(EVENTS));
	it("are the same wherever the pieces are cut, and however lines end", () => {
		for (const text of [TEXT, TEXT.replaceAll("\n", "\r\n"), TEXT.replaceAll("\n", "\r")])
			for (let cut = 0; cut <= text.length; cut++)
				expect(parse(text.slice(0, cut), text.slice(cut)).events, `cut at ${cut}`).toEqual(EVENTS);
	});
	it("are the same byte by byte", () => expect(parse(...TEXT.replaceAll("\n", "\r\n")).events).toEqual(EVENTS));
	it("do nothing without data", () => expect(parse("event: delta\n\n").events).toEqual([]));
	it("are not told before their end", () => expect(parse("data: x\n").events).toEqual([]));
	it("keep an id until there is another, and none with NUL", () => {
		expect(parse("id: 1\ndata: a\n\nid: b\0d\ndata: b\n\n").events.map((e) => e.id)).toEqual(["1", "1"]);
	});
	it("lose one blank after the colon and no more", () => expect(parse("data:  x\n\n").events[0]?.data).toBe(" x"));
	it("may ask for a pause", () => {
		expect(parse("retry: 1500\n\n").parser.retry_ms).toBe(1500);
		expect(parse("retry: soon\n\n").parser.retry_ms).toBe(0);
	});
});
