import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function LanesPage({ name }: { name?: string }) {
	return <Page title={name ?? "Lanes"}><Loading /></Page>;
}
