// Who uses the page: the token of this tab and what it may do. Without configured tokens everything
// is allowed. A page asks `can("operate")` and leaves out, or disables, what would be refused.
import { signal } from "@preact/signals";
import { api, ApiError, sentence, setToken, token, whenUnauthorized } from "./api";
import { reconnectLive } from "./live";
import type { Me, Scope } from "./types_operate";

export const me = signal<Me | null>(null); // null: not known yet
export const signIn = signal<{ why: string } | null>(null); // what to ask a token for

export function can(scope: Scope): boolean { return me.value?.scopes.includes(scope) ?? false; }
export function readOnly(): boolean { return me.value !== null && !can("submit") && !can("operate"); }
/** Why a control is disabled, for its title; "" where it is not. */
export function whyNot(scope: Scope): string {
	if (me.value === null)
		return "What you may do is not known yet";
	return can(scope) ? "" : `Your token has no scope “${scope}”`;
}

let retry = 0;
export async function loadMe() {
	clearTimeout(retry);
	try {
		const answer = await api.get<Me>("/me");
		me.value = { ...answer, scopes: answer.scopes ?? [] };
		signIn.value = null;
	} catch (e) {
		if (e instanceof ApiError && e.status === 401)
			return; // whenUnauthorized has asked for a token
		retry = window.setTimeout(() => void loadMe(), 3000);
	}
}

/** Tries the token; returns "" or what is wrong with it. */
export async function useToken(value: string): Promise<string> {
	const before = token();
	setToken(value.trim());
	try {
		const answer = await api.get<Me>("/me");
		me.value = { ...answer, scopes: answer.scopes ?? [] };
	} catch (e) {
		setToken(before);
		return e instanceof ApiError && e.status === 401 ? "The gateway does not know this token." : sentence(e);
	}
	signIn.value = null;
	reconnectLive();
	return "";
}

export function signOut() {
	setToken("");
	me.value = null;
	signIn.value = { why: "" };
	reconnectLive();
}

export function startSession() {
	whenUnauthorized((e) => {
		signIn.value ??= { why: token() ? e.message : "" };
	});
	void loadMe();
}
