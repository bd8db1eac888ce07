import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function DeadPage({ id }: { id?: string }) {
	return <Page title={id ?? "Dead letters"}><Loading /></Page>;
}
