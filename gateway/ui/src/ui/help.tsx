// What the keyboard does.
import { pages } from "../pages";
import { Dialog } from "./dialog";
import { helpOpen } from "./keys";

export function Help() {
	if (!helpOpen.value)
		return null;
	return (
		<Dialog title="Keyboard" onClose={() => { helpOpen.value = false; }}>
			<dl class="keys">
				{pages.filter((p) => p.key).map((p) => (
					<div key={p.path}><dt><kbd>g</kbd> <kbd>{p.key}</kbd></dt><dd>{p.title}</dd></div>
				))}
				<div><dt><kbd>n</kbd></dt><dd>New task</dd></div>
				<div><dt><kbd>/</kbd></dt><dd>Search or filter</dd></div>
				<div><dt><kbd>Esc</kbd></dt><dd>Leave a field, close a dialog</dd></div>
				<div><dt><kbd>?</kbd></dt><dd>This list</dd></div>
			</dl>
		</Dialog>
	);
}
