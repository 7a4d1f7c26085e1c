// A question as it was asked before: its text, its time, and how it was seen.
import type { View } from "../api/saved";
import { href } from "../app/location";

export function QuestionLink({ text, view, children }: { text: string; view: View; children: string }) {
  return <a class="query-said" href={href("query", { q: text, from: view.from, to: view.to, chart: view.chart, y: view.y })}>{children}</a>;
}

// The address that says what is different about the events of a WHERE that failed.
export function differencesOfErrors(where: string): string {
  return href("query", { q: `COUNT WHERE ${where}`, tab: "differences", sel: JSON.stringify({ group: { error: true } }) });
}
