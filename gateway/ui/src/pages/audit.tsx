import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function AuditPage() {
	return <Page title="Audit"><Loading /></Page>;
}
