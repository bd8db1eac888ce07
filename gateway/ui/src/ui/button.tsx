// Buttons. One that needs a scope which the token lacks is disabled, and its title says so.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { whyNot } from "../session";
import type { Scope } from "../types_operate";
import { Icon, type IconName } from "./icons";
import { failed } from "./toast";

export interface ButtonProps {
	children?: ComponentChildren;
	icon?: IconName;
	kind?: "primary" | "danger" | "quiet" | "plain";
	small?: boolean;
	scope?: Scope;
	title?: string;
	label?: string; // for a button that shows an icon alone
	disabled?: boolean;
	type?: "button" | "submit";
	pressed?: boolean;
	/** While a promise is under way the button is busy; what it throws is a toast. */
	onClick?: () => void | Promise<unknown>;
}

export function Button(p: ButtonProps) {
	const [busy, setBusy] = useState(false);
	const refusal = p.scope ? whyNot(p.scope) : "";
	const click = async () => {
		const under_way = p.onClick?.();
		if (!under_way)
			return;
		setBusy(true);
		try {
			await under_way;
		} catch (e) {
			failed(e);
		} finally {
			setBusy(false);
		}
	};
	const names = ["button", p.kind ?? "plain", p.small && "small", !p.children && "only-icon"];
	return (
		<button
			type={p.type ?? "button"}
			class={names.filter(Boolean).join(" ")}
			disabled={p.disabled || busy || refusal !== ""}
			title={refusal || p.title || p.label}
			aria-label={p.label}
			aria-pressed={p.pressed}
			aria-busy={busy || undefined}
			onClick={() => void click()}
		>
			{p.icon && <Icon name={p.icon} />}
			{p.children !== undefined && <span>{p.children}</span>}
		</button>
	);
}
