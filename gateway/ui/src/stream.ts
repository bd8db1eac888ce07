// One stream of server-sent events that stays: read by fetch (so that it carries the token), opened
// again with Last-Event-ID and a growing pause when it ends, given up for another try when nothing at
// all was heard for a while (the gateway sends heartbeats), and closed while nobody looks at the page.
import { ApiError, authorized, problemOf, sentence } from "./api";
import { SseParser, type ServerEvent } from "./sse";

export type StreamState = "connecting" | "live" | "lost" | "denied";

const PAUSE_FIRST_MS = 500;
const PAUSE_MAX_MS = 15_000;
const SILENCE_MAX_MS = 40_000;
const HIDDEN_MAX_MS = 60_000;

export interface StreamUser {
	url: () => string;
	on: (e: ServerEvent) => void;
	state: (s: StreamState, why: string, retryAt: number) => void;
}

export class EventStream {
	private id = "";
	private tries = 0;
	private current: AbortController | null = null;
	private timer = 0;
	private hiddenTimer = 0;
	private closed = false;

	constructor(private readonly user: StreamUser) {}

	open() {
		this.closed = false;
		document.addEventListener("visibilitychange", this.onVisibility);
		window.addEventListener("online", this.again);
		void this.run();
	}

	close() {
		this.closed = true;
		document.removeEventListener("visibilitychange", this.onVisibility);
		window.removeEventListener("online", this.again);
		this.stop();
	}

	/** Now, instead of when the pause is over; anew, where what is asked for is another thing. */
	readonly again = (anew: unknown = false) => {
		if (anew === true)
			this.id = "";
		this.tries = 0;
		this.stop();
		if (!this.closed)
			void this.run();
	};

	private stop() {
		clearTimeout(this.timer);
		clearTimeout(this.hiddenTimer);
		this.current?.abort();
		this.current = null;
	}

	private readonly onVisibility = () => {
		clearTimeout(this.hiddenTimer);
		if (document.hidden)
			this.hiddenTimer = window.setTimeout(() => this.stop(), HIDDEN_MAX_MS);
		else if (!this.current)
			this.again();
	};

	private async run() {
		const mine = new AbortController();
		this.current = mine;
		this.user.state("connecting", "", 0);
		let why = "the connection ended";
		let wait_ms = 0;
		try {
			wait_ms = await this.read(mine);
		} catch (e) {
			if (this.current !== mine)
				return;
			if (e instanceof ApiError && (e.status === 401 || e.status === 403)) {
				this.current = null;
				this.user.state("denied", e.message, 0);
				return;
			}
			if (e instanceof ApiError)
				wait_ms = e.retryAfter_s * 1000;
			why = e instanceof ApiError ? sentence(e) : "The gateway does not answer.";
		}
		if (this.current !== mine)
			return;
		const pause = Math.max(wait_ms, Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** this.tries++));
		const jittered = pause * (0.75 + Math.random() / 2);
		this.user.state("lost", why, Date.now() + jittered);
		this.timer = window.setTimeout(() => void this.run(), jittered);
	}

	/** Returns, when the other side has ended it, the pause that it asked for. */
	private async read(mine: AbortController): Promise<number> {
		const headers: Record<string, string> = { Accept: "text/event-stream" };
		if (this.id)
			headers["Last-Event-ID"] = this.id;
		const answer = await fetch(this.user.url(), authorized({ headers, signal: mine.signal }));
		if (!answer.ok || !answer.body)
			throw await problemOf(answer);
		const parser = new SseParser((e) => {
			this.id = e.id || this.id;
			this.user.on(e);
		});
		const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
		let silence = 0;
		try {
			this.user.state("live", "", 0);
			for (;;) {
				silence = window.setTimeout(() => mine.abort(), SILENCE_MAX_MS);
				const { done, value } = await reader.read();
				clearTimeout(silence);
				if (done)
					return parser.retry_ms;
				this.tries = 0;
				parser.feed(value);
			}
		} finally {
			clearTimeout(silence);
		}
	}
}
