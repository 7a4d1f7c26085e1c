// What the server's replies hold (docs/openapi.yaml).
export type Scalar = string | number | boolean | null;
export type Row = Record<string, Scalar | Heat>;

export interface Heat { cells: { low: number; high: number; count: number }[] }

export interface Calculation { op: string; column?: string }
export interface Filter { column: string; op: string; value?: Scalar | Scalar[] }
export interface Order { op?: string; column?: string; order?: "ascending" | "descending" }
export interface Having { calculate_op: string; column?: string; op: string; value: number }

export interface QuerySpec {
  calculations?: Calculation[];
  filters?: Filter[];
  filter_combination?: "OR";
  breakdowns?: string[];
  orders?: Order[];
  havings?: Having[];
  limit?: number;
  time_range?: number;
  start_time?: number | string;
  end_time?: number | string;
  granularity?: number;
  compare_time_offset_seconds?: number;
}

export interface QueryData {
  series?: { time: string; data: Row }[];
  results: { data: Row }[];
  total_by_aggregate?: Row;
  other_by_aggregate?: Row;
}

export interface QueryMeta { rows_scanned: number; bytes_read: number; elapsed_ms: number; granularity_s?: number; approximate?: string[] }
export interface QueryResult { data: QueryData; compare?: QueryData; meta: QueryMeta }
export interface Progress { rows_scanned: number; rows_total: number; partial?: QueryResult }

export type Span = Record<string, Scalar> & { start_ns: string; time: string; dataset: string };
export interface Trace { trace_id: string; spans: Span[]; missing_parents: string[]; folded_rows?: number }

// What a waterfall draws: one number per span and list, in order of start (docs/openapi.yaml, TraceColumns).
export interface TraceColumns {
  trace_id: string; start_ns: string; count: number;
  parent: number[]; start_us: number[]; duration_us: number[]; self_us: number[]; flags: number[];
  service: number[]; services: string[]; name: number[]; names: string[]; host: number[]; hosts: string[];
  notes: { span: number[]; time_us: number[]; kind: number[]; severity: number[]; text: string[]; left_out: number };
  missing_parents: string[]; folded_rows: number; damaged_blocks: number;
}
export interface TraceSpan { index: number; span: Span; events: Span[]; links: Span[]; logs: Span[]; left_out: number }

export interface MapNode { name: string; kind: "service" | "database" | "messaging" | "external" | "client"; count: number; errors: number; p50_ms: number | null; p95_ms: number | null }
export interface MapEdge { from: string; to: string; kind: "call" | "database" | "messaging" | "external"; count: number; errors: number; p50_ms: number | null; p95_ms: number | null;
  wait_count?: number; wait_p50_ms?: number; wait_p95_ms?: number } // of messages, until they were taken
export interface ServiceMap { nodes: MapNode[]; edges: MapEdge[] }

export interface Field { name: string; types: ("string" | "int" | "float" | "bool" | "histogram")[]; count: number; top?: { value: Scalar; count: number }[] }
export interface Fields { fields: Field[]; datasets: { name: string; rows: number }[]; is_sampled?: boolean }

export interface Pair { selection: number; baseline: number }
export interface DifferenceValue { value?: Scalar; low?: number; high?: number; other?: boolean; absent?: boolean; selection: number; baseline: number }
export interface DifferenceField {
  name: string; score: number; divergence: number; expected_by_chance: number; share: number; distinct: number; rows: Pair;
  follows_from_selection?: boolean; sentence?: string; alike?: string[]; values?: DifferenceValue[]; ranges?: DifferenceValue[];
}
export interface Suspect {
  service: string; score: number; own: number; between: number; errors: number; spans: number; excess_ms: number; share: number; confidence: "high" | "low";
  instance?: { name: string; score: number; spans: number }; operation?: { name: string; score: number; spans: number };
}
export interface Differences {
  sentence?: string; rows: Pair; fields: DifferenceField[]; left_out: { name: string; why: string }[]; suspects?: Suspect[];
  words?: { service: string; word: string; strength: number; traces_with: Pair; traces: Pair }[]; is_sampled?: boolean;
  meta: { rows_scanned: number; elapsed_ms: number };
}

export interface Environment { slug: string; name: string; created?: string; rows: number; bytes: number; oldest?: string | null; retention_s?: number | null; kept_s?: number }
export interface Refusal {
  time: string; first_time: string; count: number; status: number; reason: string; text: string; advice: string; path: string; source: string; service?: string;
  user_agent?: string; key_fingerprint?: string; environment?: string | null;
  origin: string; key_id?: string;
}
export interface Finding { kind: string; subject: string; text: string; fix: string }
export interface Way { sender: string; source: string; user_agent: string; hops: { hop: string; state: "ok" | "bad" | "wait"; fix?: string }[] }
export interface Doctor { environment: string; first: Finding | null; refusals: Refusal[]; findings: Finding[]; ways: Way[] }
