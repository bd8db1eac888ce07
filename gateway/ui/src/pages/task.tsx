import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function TaskPage({ id }: { id: string }) {
	return <Page title={id}><Loading /></Page>;
}
