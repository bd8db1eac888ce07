// A dead letter of which an edited task was submitted is still there: it may go.
import { useState } from "preact/hooks";
import { part } from "../api";
import { href } from "../location";
import { Button } from "../ui/button";
import { Card } from "../ui/card";
import { discard } from "./dead_acts";

export function LetterLeft({ id }: { id: string }) {
	const [gone, setGone] = useState(false);
	return (
		<Card>
			<p role="status">
				{gone ? "The dead letter is discarded." : <>The dead letter <a class="mono" href={href(`/dead/${part(id)}`)}>{id}</a> is still there. </>}
				{!gone && <Button small icon="trash" scope="operate" onClick={() => discard({ id }, 1).then(setGone)}>Discard it</Button>}
			</p>
		</Card>
	);
}
