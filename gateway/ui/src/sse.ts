// Server-sent events out of pieces of text, as the HTML standard reads them: EventSource itself can
// send no Authorization header. Pure: feed it what arrives, it calls back for each whole event.

export interface ServerEvent { event: string; data: string; id: string }

export class SseParser {
	private rest = "";
	private data: string[] = [];
	private event = "";
	private id = "";
	private afterCR = false;
	retry_ms = 0; // what the server asked for; 0: nothing

	constructor(private readonly on: (e: ServerEvent) => void) {}

	feed(piece: string) {
		let text = piece;
		if (this.afterCR && text.startsWith("\n"))
			text = text.slice(1);
		if (text)
			this.afterCR = text.endsWith("\r");
		this.rest += text;
		const lines = this.rest.split(/\r\n|\r|\n/);
		this.rest = lines.pop() ?? "";
		for (const line of lines)
			this.line(line);
	}

	private line(line: string) {
		if (line === "") {
			if (this.data.length)
				this.on({ event: this.event || "message", data: this.data.join("\n"), id: this.id });
			this.data = [];
			this.event = "";
			return;
		}
		const colon = line.indexOf(":");
		if (colon === 0)
			return; // a comment: a heartbeat
		const field = colon < 0 ? line : line.slice(0, colon);
		let value = colon < 0 ? "" : line.slice(colon + 1);
		if (value.startsWith(" "))
			value = value.slice(1);
		if (field === "data")
			this.data.push(value);
		else if (field === "event")
			this.event = value;
		else if (field === "id" && !value.includes("\0"))
			this.id = value;
		else if (field === "retry" && /^\d+$/.test(value))
			this.retry_ms = Number(value);
	}
}
