// Something asked of the gateway, for a page: its answer, or why there is none. Asked again when the
// query changes, every `every_ms`, by reload(), and by itself while the gateway or what is behind it
// is away. The last answer for the same path stays on show meanwhile. Old requests are cancelled.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api, ApiError, type Query } from "./api";

export interface Loaded<T> {
	data: T | null;
	error: ApiError | null;
	loading: boolean; // and nothing to show yet
	busy: boolean;    // what is shown answers an older query
	stale: boolean;   // data is shown, but the newest request failed
	reload: () => void;
}

const RETRY_MS = 3000;

interface State<T> { path: string | null; key: string | null; data: T | null; error: ApiError | null }

export function useLoad<T>(path: string | null, query?: Query, every_ms = 0): Loaded<T> {
	const key = path === null ? null : path + JSON.stringify(query ?? {});
	const [state, set] = useState<State<T>>({ path: null, key: null, data: null, error: null });
	const [turn, setTurn] = useState(0);
	const reload = useCallback(() => setTurn((n) => n + 1), []);
	const ask = useRef({ path, query });
	ask.current = { path, query };

	useEffect(() => {
		if (key === null || path === null)
			return;
		const mine = new AbortController();
		let timer = 0;
		const run = async () => {
			let again = every_ms;
			try {
				const data = await api.get<T>(path, ask.current.query, mine.signal);
				set({ path, key, data, error: null });
			} catch (e) {
				if (mine.signal.aborted)
					return;
				const error = e instanceof ApiError ? e : new ApiError(0, String(e));
				set((old) => ({ path, key, data: old.path === path ? old.data : null, error }));
				if (error.unavailable || error.status === 429)
					again = Math.max(RETRY_MS, error.retryAfter_s * 1000);
			}
			if (again && !mine.signal.aborted)
				timer = window.setTimeout(() => void run(), again);
		};
		void run();
		return () => {
			mine.abort();
			clearTimeout(timer);
		};
	}, [key, turn, every_ms]);

	const data = state.path === path ? state.data : null;
	const error = state.key === key ? state.error : null;
	return { data, error, loading: !data && !error, busy: state.key !== key, stale: !!data && !!error, reload };
}
