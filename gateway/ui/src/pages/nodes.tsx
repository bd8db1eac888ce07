import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function NodesPage({ name }: { name?: string }) {
	return <Page title={name ?? "Nodes"}><Loading /></Page>;
}
