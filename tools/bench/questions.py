"""Every question of the bench, as one table. A question is asked in the words of each kind of system:

text    skep's query text, without its range           sql     DuckDB and ClickHouse; names in braces come from their dialect
logsql  VictoriaTraces and VictoriaLogs                 traceql Tempo's metrics, over the load's range

Columns say what an answer's rows are: "time" and "key" name a row; "n" is exact, "p" a percentile (skep's sketch is within 0.8 %),
"d" a distinct count (2 %), "f" a sum of floats. "r" is a percentile in a ranking: rows are compared in order and not by key, because two
systems whose percentiles differ by a bucket rank neighbours differently. `aim` is DESIGN's, in milliseconds, for (load, size).
"""
from dataclasses import dataclass, field

MILLION = 1_000_000


@dataclass(frozen=True)
class Question:
    name: str
    loads: str  # of A, B, L
    columns: tuple  # (kind, skep's name of it), in the order of the SQL's columns
    text: str = ""
    sql: str = ""
    logsql: str = ""
    traceql: str = ""
    special: str = ""  # a method of the system, with rows of these columns
    aim: dict = field(default_factory=dict)
    series: bool = False
    step: int = 0  # seconds; 0: the load's own


T, K, N = "time", "key", "n"
SELECT_TOP = "ORDER BY 2 DESC, 1 LIMIT"

QUESTIONS = [
    Question("count per interval", "ABL", ((T, ""), (N, "COUNT")), series=True, aim={"B": 4, "A": 20}, text="COUNT",
             sql="SELECT {bucket}, count(*) FROM {spans} WHERE {range} GROUP BY 1",
             logsql="* | stats by (_time:{step}s) count() n", traceql="{{}} | count_over_time()"),
    Question("P99 by service over time", "AB", ((T, ""), (K, "service.name"), ("p", "P99(duration_ms)")), series=True, aim={"B": 10},
             text="P99(duration_ms) GROUP BY service.name LIMIT 100",
             sql="SELECT {bucket}, {service}, {p99} FROM {spans} WHERE {range} GROUP BY 1, 2",
             logsql='* | stats by (_time:{step}s, "resource_attr:service.name") quantile(0.99, duration) p99',
             traceql="{{}} | quantile_over_time(duration, 0.99) by (resource.service.name)"),
    Question("heatmap", "AB", ((T, ""), (N, "HEATMAP(duration_ms)")), series=True, aim={"B": 6, "A": 40}, text="HEATMAP(duration_ms)",
             sql="SELECT b, sum(n) FROM (SELECT {bucket} b, {octave} o, count(*) n FROM {spans} WHERE {range} GROUP BY 1, 2) x GROUP BY 1",
             traceql="{{}} | histogram_over_time(duration)"),
    Question("top 50 users with P99", "AB", ((K, "user.id"), (N, "COUNT"), ("p", "P99(duration_ms)")), aim={"B": 18},
             text="COUNT, P99(duration_ms) WHERE user.id exists GROUP BY user.id ORDER BY COUNT DESC LIMIT 50",
             sql="SELECT {user}, count(*), {p99} FROM {spans} WHERE {range} AND {has_user} GROUP BY 1 " + SELECT_TOP + " 50",
             logsql='* | stats by ("span_attr:user.id") count() n, quantile(0.99, duration) p99 | sort by (n desc) limit 50',
             traceql="{{}} | quantile_over_time(duration, 0.99) by (span.user.id) | topk(50)"),
    Question("distinct users", "AB", (("d", "COUNT_DISTINCT(user.id)"),), aim={"B": 6}, text="COUNT_DISTINCT(user.id)",
             sql="SELECT {distinct_user} FROM {spans} WHERE {range}", logsql='* | stats count_uniq("span_attr:user.id") d'),
    Question("errors by path", "AB", ((K, "http.route"), (N, "COUNT")), aim={"B": 3},
             text="COUNT WHERE error = true AND http.route exists GROUP BY http.route ORDER BY COUNT DESC LIMIT 100",
             sql="SELECT {route}, count(*) FROM {spans} WHERE {range} AND {error} AND {has_route} GROUP BY 1 " + SELECT_TOP + " 100",
             logsql='status_code:=2 "span_attr:http.route":* | stats by ("span_attr:http.route") count() n | sort by (n desc) limit 100',
             traceql="{{status = error && span.http.route != nil}} | count_over_time() by (span.http.route)"),
    Question("group by attribute", "AB", ((K, "app.country"), (N, "COUNT")), aim={"A": 60},
             text="COUNT WHERE app.country exists GROUP BY app.country ORDER BY COUNT DESC LIMIT 100",
             sql="SELECT {country}, count(*) FROM {spans} WHERE {range} AND {has_country} GROUP BY 1 " + SELECT_TOP + " 100",
             logsql='* | stats by ("span_attr:app.country") count() n', traceql="{{}} | count_over_time() by (span.app.country)"),
    Question("P99 by user", "AB", ((K, "user.id"), (N, "COUNT"), ("p", "P99(duration_ms)")), aim={"A": 120},
             text="COUNT, P99(duration_ms) WHERE user.id exists GROUP BY user.id ORDER BY COUNT DESC LIMIT 100",
             sql="SELECT {user}, count(*), {p99} FROM {spans} WHERE {range} AND {has_user} GROUP BY 1 " + SELECT_TOP + " 100"),
    Question("count by trace", "AB", ((K, "trace.trace_id"), (N, "COUNT")), aim={"A": 50},
             text="COUNT GROUP BY trace.trace_id ORDER BY COUNT DESC LIMIT 100",
             sql="SELECT {trace}, count(*) FROM {spans} WHERE {range} GROUP BY 1 " + SELECT_TOP + " 100",
             logsql="* | stats by (trace_id) count() n | sort by (n desc) limit 100"),
    Question("top 100 users by P99, at least 20 spans", "AB", (("r", "P99(duration_ms)"),),
             text="P99(duration_ms), COUNT WHERE user.id exists GROUP BY user.id HAVING COUNT >= 20 ORDER BY P99(duration_ms) DESC LIMIT 100",
             sql="SELECT {p99} FROM {spans} WHERE {range} AND {has_user} GROUP BY {user} HAVING count(*) >= 20 ORDER BY 1 DESC LIMIT 100",
             logsql='* | stats by ("span_attr:user.id") count() n, quantile(0.99, duration) p99 | filter n:>=20 | sort by (p99 desc) limit 100'),
    Question("two fields over time", "AB", ((T, ""), (K, "service.name"), (K, "app.country"), (N, "COUNT"), ("p", "P95(duration_ms)")), series=True,
             text="COUNT, P95(duration_ms) WHERE app.country exists GROUP BY service.name, app.country LIMIT 1000",
             sql="SELECT {bucket}, {service}, {country}, count(*), {p95} FROM {spans} WHERE {range} AND {has_country} GROUP BY 1, 2, 3",
             logsql='* | stats by (_time:{step}s, "resource_attr:service.name", "span_attr:app.country") count() n, quantile(0.95, duration) p95',
             traceql="{{}} | quantile_over_time(duration, 0.95) by (resource.service.name, span.app.country)"),
    Question("a rare field exists", "B", ((K, "app.experiment"), (N, "COUNT")),
             text="COUNT WHERE app.experiment exists GROUP BY app.experiment ORDER BY COUNT DESC LIMIT 100",
             sql="SELECT {experiment}, count(*) FROM {spans} WHERE {range} AND {has_experiment} GROUP BY 1 " + SELECT_TOP + " 100",
             logsql='"span_attr:app.experiment":* | stats by ("span_attr:app.experiment") count() n',
             traceql="{{span.app.experiment != nil}} | count_over_time() by (span.app.experiment)"),
    Question("average and sum by service", "AB", ((K, "service.name"), ("f", "SUM(duration_ms)"), ("f", "AVG(duration_ms)")),
             text="SUM(duration_ms), AVG(duration_ms) GROUP BY service.name LIMIT 100",
             sql="SELECT {service}, sum({ms}), avg({ms}) FROM {spans} WHERE {range} GROUP BY 1",
             logsql='* | stats by ("resource_attr:service.name") sum(duration) s, avg(duration) a'),
    Question("self time by service", "AB", ((K, "service.name"), ("p", "P99(meta.self_ms)")),
             text="P99(meta.self_ms) GROUP BY service.name LIMIT 100"),
    Question("self time heatmap", "AB", ((T, ""), (N, "HEATMAP(meta.self_ms)")), series=True, text="HEATMAP(meta.self_ms)"),
    Question("P99 by root", "AB", ((K, "meta.root_name"), ("p", "P99(duration_ms)")), text="P99(duration_ms) GROUP BY meta.root_name LIMIT 100",
             sql="SELECT {p.name}, {c.p99} FROM {spans} c JOIN {spans} p ON {c.trace} = {p.trace} WHERE {c.range} AND {p.is_root} GROUP BY 1"),
    Question("A calls B and B is slow", "B", ((N, "COUNT"),), text='COUNT WHERE service.name = "catalog" AND duration_ms > 5 AND parent.service.name = "bookings"',
             sql="SELECT count(*) FROM {spans} c JOIN {spans} p ON {c.trace} = {p.trace} AND {c.parent} = {p.span} "
                 "WHERE {c.range} AND {c.service} = 'catalog' AND {p.service} = 'bookings' AND {c.ms} > 5"),
    Question("service map", "AB", ((K, "from"), (K, "to"), (N, "count"), ("p", "p95_ms")), special="service_map", aim={"B": 8, "A": 80},
             sql="SELECT {p.service}, {c.service}, count(*), {c.p95} FROM {spans} c JOIN {spans} p ON {c.trace} = {p.trace} AND {c.parent} = {p.span} "
                 "WHERE {c.range} AND {p.range} AND {c.service} <> {p.service} AND {c.not_consumer} GROUP BY 1, 2"),
    Question("differences: slowest with the rest, all fields", "AB", (), special="differences", aim={"B": 25}),
    Question("trace by id", "AB", ((N, "spans"),), special="trace", aim={"B": 1, "A": 1}),
    Question("a rare word in bodies", "L", ((N, "COUNT"),), aim={"L": 10}, text='COUNT WHERE body contains "refused"',
             sql="SELECT count(*) FROM {spans} WHERE {range} AND {word_refused}", logsql="refused | stats count() n"),
    Question("a common word in bodies", "L", ((N, "COUNT"),), aim={"L": 10}, text='COUNT WHERE body contains "Begin"',
             sql="SELECT count(*) FROM {spans} WHERE {range} AND {word_Begin}", logsql="Begin | stats count() n"),
    Question("a common word, over time, by service", "L", ((T, ""), (K, "service.name"), (N, "COUNT")), series=True,
             text='COUNT WHERE body contains "Begin" GROUP BY service.name LIMIT 100',
             sql="SELECT {bucket}, {service}, count(*) FROM {spans} WHERE {range} AND {word_Begin} GROUP BY 1, 2",
             logsql='Begin | stats by (_time:{step}s, "service.name") count() n'),
    Question("a word that is not there", "L", ((N, "COUNT"),), text='COUNT WHERE body contains "zanzibar"', aim={"L": 10},
             sql="SELECT count(*) FROM {spans} WHERE {range} AND {word_zanzibar}", logsql="zanzibar | stats count() n"),
    Question("errors by service", "L", ((K, "service.name"), (N, "COUNT")),
             text='COUNT WHERE severity_text = "ERROR" GROUP BY service.name ORDER BY COUNT DESC LIMIT 100',
             sql="SELECT {service}, count(*) FROM {spans} WHERE {range} AND {severity} = 'ERROR' GROUP BY 1 " + SELECT_TOP + " 100",
             logsql='severity:=ERROR | stats by ("service.name") count() n'),
]
# What a page of charts asks at once.
DASHBOARD = ["count per interval", "P99 by service over time", "heatmap", "top 50 users with P99", "distinct users", "errors by path",
             "group by attribute", "two fields over time", "average and sum by service", "P99 by user", "a rare field exists", "count by trace"]


def for_load(shape, wanted):
    letter = {"logs": "L"}.get(shape, shape)
    return [q for q in QUESTIONS if letter in q.loads and (not wanted or any(w.lower() in q.name.lower() for w in wanted))]
