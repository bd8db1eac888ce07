// Waiting for a condition: never a sleep that hopes.
import {setTimeout as pause} from "node:timers/promises";

/** Calls look until it gives something true, which is returned. The error names what did not come. */
export async function until(look, what, timeout_ms = 30000, every_ms = 100) {
	const end = Date.now() + timeout_ms;
	let last;
	for (;;) {
		try {
			last = await look();
			if (last)
				return last;
		} catch (error) {
			last = error;
		}
		if (Date.now() > end)
			throw new Error(`not within ${timeout_ms / 1000} s: ${what} (last: ${last?.message ?? JSON.stringify(last)})`);
		await pause(every_ms);
	}
}
