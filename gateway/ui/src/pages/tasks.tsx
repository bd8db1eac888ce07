import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function TasksPage() {
	return <Page title="Tasks"><Loading /></Page>;
}
