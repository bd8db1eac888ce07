// Asks for a token where the gateway wants one. It is kept for this tab alone.
import { useState } from "preact/hooks";
import { me, signIn, useToken } from "../session";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { TextField } from "./field";

export function SignIn() {
	const asked = signIn.value;
	const [value, setValue] = useState("");
	const [fault, setFault] = useState("");
	if (!asked)
		return null;
	const enter = async () => {
		if (!value.trim())
			return setFault("Give a token.");
		const why = await useToken(value);
		setFault(why);
		if (!why)
			setValue("");
	};
	const close = () => { if (me.value) signIn.value = null; };
	return (
		<Dialog title="Token" onClose={close}>
			<form onSubmit={(e) => { e.preventDefault(); void enter(); }}>
				<p>This gateway wants a bearer token. Who set it up gives you one; it may read, submit, or operate.</p>
				<TextField label="Token" type="password" value={value} onInput={setValue} required autoFocus
					error={fault || asked.why} hint="Kept for this tab until you close it." />
				<footer>
					{me.value && <Button onClick={close}>Keep the present one</Button>}
					<Button kind="primary" type="submit">Go on</Button>
				</footer>
			</form>
		</Dialog>
	);
}
