// Questions to begin with, made of fields that are really there.
import type { Fields } from "../../api/types";
import { href } from "../../app/location";

export function Examples({ fields }: { fields: Fields }) {
  const has = (name: string) => fields.fields.some(f => f.name === name);
  const route = ["http.route", "http.target", "url.path", "name"].find(has), user = ["user.id", "enduser.id", "user"].find(has);
  const all: [string, string, boolean][] = [
    ["Where is the time spent?", "HEATMAP(duration_ms), P50(duration_ms), P99(duration_ms)", has("duration_ms")],
    ["Which services are slow?", "COUNT, P99(duration_ms) GROUP BY service.name ORDER BY P99(duration_ms) DESC", has("duration_ms") && has("service.name")],
    ["What fails?", `COUNT WHERE error = true GROUP BY service.name, name`, has("error")],
    ["Which operations take the most time of their own?", "SUM(meta.self_ms), COUNT GROUP BY service.name, name ORDER BY SUM(meta.self_ms) DESC LIMIT 20", has("duration_ms")],
    ["Which routes are asked most?", `COUNT, P95(duration_ms) GROUP BY ${route}`, !!route && has("duration_ms")],
    ["How many users are affected by errors?", `COUNT_DISTINCT(${user}) WHERE error = true`, !!user && has("error")],
    ["What do logs say?", "COUNT WHERE body exists GROUP BY service.name, severity_text", has("body")],
    ["Everything, by service", "COUNT GROUP BY service.name", has("service.name")],
  ];
  return (
    <nav class="row wrap examples" aria-label="Questions to begin with"><span class="muted">Begin with</span>
      {all.filter(([, , fits]) => fits).slice(0, 5).map(([title, q]) => <a key={title} class="button small" href={href("query", { q })}>{title}</a>)}
    </nav>
  );
}
