// Query text to a spec and back (docs/query-text.md), without times: those are the page's. The builder and the text box are two views of this tree.
import type { Calculation, Filter, Having, Order, QuerySpec, Scalar } from "./types";

export interface Query { dataset: string | null; spec: QuerySpec }

export class TextError extends Error {
  constructor(message: string, readonly offset: number, readonly end: number) { super(message); }
}

export const OPS = ["COUNT", "CONCURRENCY", "SUM", "AVG", "COUNT_DISTINCT", "MAX", "MIN", "P001", "P01", "P05", "P10", "P20", "P25", "P50", "P75", "P80", "P90", "P95", "P99", "P999",
  "HEATMAP", "RATE_AVG", "RATE_SUM", "RATE_MAX"] as const;
export const COMPARES = ["=", "!=", ">", ">=", "<", "<="];
export const TEXT_OPS = ["starts-with", "does-not-start-with", "ends-with", "does-not-end-with", "contains", "does-not-contain"];
export const EXISTS = ["exists", "does-not-exist"];
export const LISTS = ["in", "not-in"];
export const FILTER_OPS = [...COMPARES, ...EXISTS, ...TEXT_OPS, ...LISTS];
const RESERVED = new Set(["FROM", "WHERE", "GROUP", "BY", "HAVING", "ORDER", "LIMIT", "SINCE", "UNTIL", "FOR", "EVERY", "COMPARE", "AND", "OR", "TRUE", "FALSE", "NULL", "ASC", "DESC"]);
const CLAUSES = new Set(["FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "SINCE", "UNTIL", "FOR", "EVERY", "COMPARE"]);
const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/* ---- tokens ---- */

type Kind = "word" | "string" | "number" | "sign" | "end";
interface Token { kind: Kind; text: string; value?: string | number; at: number; end: number }

function lex(text: string): Token[] {
  const tokens: Token[] = [];
  const patterns: [Kind, RegExp][] = [
    ["string", /"(?:[^"\\]|\\.)*"/y], ["number", /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.:/@$+-])/y], ["word", /[A-Za-z_\d][\w.\-:/+@$]*/y], ["sign", /!=|>=|<=|[=<>(),]/y],
  ];
  let at = 0;
  outer: while (at < text.length) {
    if (/\s/.test(text[at]!)) { at++; continue; }
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = at;
      const found = pattern.exec(text);
      if (!found) continue;
      const token: Token = { kind, text: found[0], at, end: at + found[0].length };
      if (kind === "string") {
        try { token.value = JSON.parse(found[0]) as string; } catch { throw new TextError("this text has an escape that JSON does not know", at, token.end); }
      }
      if (kind === "number") token.value = Number(found[0]);
      tokens.push(token);
      at = token.end;
      continue outer;
    }
    throw new TextError(text[at] === '"' ? "the closing \" is missing" : `${text[at]} means nothing here`, at, text.length);
  }
  tokens.push({ kind: "end", text: "", at: text.length, end: text.length });
  return tokens;
}

/* ---- reading ---- */

class Reader {
  private readonly tokens: Token[];
  private next = 0;
  constructor(text: string) { this.tokens = lex(text); }

  get token(): Token { return this.tokens[this.next]!; }
  take(): Token { return this.tokens[this.token.kind === "end" ? this.next : this.next++]!; }
  fail(message: string, token = this.token): never { throw new TextError(message, token.at, Math.max(token.end, token.at + 1)); }
  is(keyword: string): boolean { return this.token.kind === "word" && this.token.text.toUpperCase() === keyword; }
  accept(keyword: string): boolean { const is = this.is(keyword); if (is) this.take(); return is; }
  sign(text: string): boolean { const is = this.token.kind === "sign" && this.token.text === text; if (is) this.take(); return is; }

  name(what: string): string {
    const t = this.token;
    if (t.kind === "string") { this.take(); return t.value as string; }
    if (t.kind !== "word" || RESERVED.has(t.text.toUpperCase())) return this.fail(`${what} is expected here`);
    this.take();
    return t.text;
  }

  isCalculation(): boolean {
    return this.token.kind === "word" && (OPS as readonly string[]).includes(this.token.text.toUpperCase());
  }

  calculation(): Calculation {
    const t = this.token;
    if (!this.isCalculation()) return this.fail("a calculation is expected here, like COUNT or P99(duration_ms)");
    this.take();
    const op = t.text.toUpperCase();
    if (!this.sign("(")) {
      if (op !== "COUNT" && op !== "CONCURRENCY") this.fail(`${op} needs a field: ${op}(duration_ms)`, t);
      return { op };
    }
    const column = this.name("a field");
    if (!this.sign(")")) this.fail(") is expected here");
    return { op, column };
  }

  value(): Scalar {
    const t = this.token;
    if (t.kind === "string" || t.kind === "number") { this.take(); return t.value!; }
    if (this.accept("TRUE")) return true;
    if (this.accept("FALSE")) return false;
    return this.fail(t.kind === "word" ? `texts stand in quotes: "${t.text}"` : "a value is expected here: \"text\", 12, true");
  }

  filter(): Filter {
    const column = this.name("a field"), t = this.token, op = t.text.toLowerCase();
    if (!FILTER_OPS.includes(op)) this.fail("how to compare is expected here: = != > < contains exists in …");
    this.take();
    if (EXISTS.includes(op)) return { column, op };
    if (!LISTS.includes(op)) return { column, op, value: this.value() };
    const value: Scalar[] = [];
    if (!this.sign("(")) this.fail("( is expected here");
    if (!this.sign(")")) {
      do value.push(this.value()); while (this.sign(","));
      if (!this.sign(")")) this.fail(") or , is expected here");
    }
    return { column, op, value };
  }

  seconds(): number {
    const found = /^(\d+)([smhdw])$/.exec(this.token.text);
    if (!found) return this.fail("a length is expected here, like 30s, 5m or 2h");
    this.take();
    return Number(found[1]) * UNITS[found[2]!]!;
  }
}

function readFilters(r: Reader, spec: QuerySpec): void {
  spec.filters = [r.filter()];
  let combination: string | null = null;
  while (r.is("AND") || r.is("OR")) {
    const word = r.token.text.toUpperCase();
    if (combination && combination !== word) r.fail("AND and OR cannot be mixed in one question");
    combination = word;
    r.take();
    spec.filters.push(r.filter());
  }
  if (combination === "OR") spec.filter_combination = "OR";
}

function readOrders(r: Reader): Order[] {
  const orders: Order[] = [];
  do {
    const order: Order = r.isCalculation() ? r.calculation() : { column: r.name("a calculation or a field") };
    if (r.accept("DESC")) order.order = "descending";
    else r.accept("ASC");
    orders.push(order);
  } while (r.accept("AND") || r.sign(","));
  return orders;
}

function readHavings(r: Reader): Having[] {
  const havings: Having[] = [];
  do {
    const of = r.calculation(), t = r.take();
    if (!COMPARES.includes(t.text)) r.fail("how to compare is expected here: = != > >= < <=", t);
    if (r.token.kind !== "number") r.fail("a number is expected here");
    havings.push({ calculate_op: of.op, ...(of.column === undefined ? {} : { column: of.column }), op: t.text, value: r.take().value as number });
  } while (r.accept("AND"));
  return havings;
}

export function parse(text: string): Query {
  const r = new Reader(text), spec: QuerySpec = {}, seen = new Set<string>();
  let dataset: string | null = null;
  if (r.token.kind !== "end" && !(r.token.kind === "word" && CLAUSES.has(r.token.text.toUpperCase()))) {
    spec.calculations = [r.calculation()];
    while (r.sign(",")) spec.calculations.push(r.calculation());
  }
  while (r.token.kind !== "end") {
    const t = r.token, clause = t.text.toUpperCase();
    if (t.kind !== "word" || !CLAUSES.has(clause)) r.fail("FROM, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, EVERY or COMPARE is expected here");
    if (seen.has(clause)) r.fail(`${clause} stands here a second time`);
    seen.add(clause);
    if (["SINCE", "UNTIL", "FOR"].includes(clause)) r.fail("the time is chosen at the top of the page");
    r.take();
    if ((clause === "GROUP" || clause === "ORDER") && !r.accept("BY")) r.fail("BY is expected here");
    switch (clause) {
      case "FROM": dataset = r.name("a dataset"); break;
      case "WHERE": readFilters(r, spec); break;
      case "GROUP": spec.breakdowns = [r.name("a field")]; while (r.sign(",")) spec.breakdowns.push(r.name("a field")); break;
      case "HAVING": spec.havings = readHavings(r); break;
      case "ORDER": spec.orders = readOrders(r); break;
      case "LIMIT": if (r.token.kind !== "number") r.fail("a number is expected here"); spec.limit = r.take().value as number; break;
      case "EVERY": spec.granularity = r.seconds(); break;
      case "COMPARE": spec.compare_time_offset_seconds = r.seconds(); break;
    }
  }
  if (dataset === "__all__") dataset = null;
  return { dataset, spec };
}

// The filter that a value of a field passes; without a value, that the field is not there.
export function equals(column: string, value: Scalar): Filter {
  return value === null ? { column, op: "does-not-exist" } : { column, op: "=", value };
}

/* ---- writing ---- */

export function printName(name: string): string {
  const isPlain = /^[A-Za-z_][\w.\-:/+@$]*$/.test(name) && !RESERVED.has(name.toUpperCase()) && !(OPS as readonly string[]).includes(name.toUpperCase());
  return isPlain ? name : JSON.stringify(name);
}
export function printValue(value: Scalar): string { return typeof value === "string" ? JSON.stringify(value) : String(value); }
export function printCalculation(c: { op?: string; column?: string }): string { return c.column === undefined ? c.op! : `${c.op}(${printName(c.column)})`; }
export function printFilter(f: Filter): string {
  if (EXISTS.includes(f.op)) return `${printName(f.column)} ${f.op}`;
  if (LISTS.includes(f.op)) return `${printName(f.column)} ${f.op} (${(f.value as Scalar[]).map(printValue).join(", ")})`;
  return `${printName(f.column)} ${f.op} ${printValue(f.value as Scalar)}`;
}
export function printWhere(filters: Filter[], combination?: "OR"): string { return filters.map(printFilter).join(combination === "OR" && filters.length > 1 ? " OR " : " AND "); }
export function printLength(seconds: number): string {
  for (const [unit, size] of Object.entries(UNITS).reverse()) if (seconds % size === 0) return seconds / size + unit;
  return seconds + "s";
}

export function print(q: Query): string {
  const { spec } = q, parts = [(spec.calculations?.length ? spec.calculations : [{ op: "COUNT" }]).map(printCalculation).join(", ")];
  if (q.dataset) parts.push("FROM " + printName(q.dataset));
  if (spec.filters?.length) parts.push("WHERE " + printWhere(spec.filters, spec.filter_combination));
  if (spec.breakdowns?.length) parts.push("GROUP BY " + spec.breakdowns.map(printName).join(", "));
  if (spec.havings?.length) parts.push("HAVING " + spec.havings.map(h => `${printCalculation({ op: h.calculate_op, column: h.column })} ${h.op} ${h.value}`).join(" AND "));
  if (spec.orders?.length) parts.push("ORDER BY " + spec.orders.map(o => (o.op ? printCalculation(o) : printName(o.column!)) + (o.order === "descending" ? " DESC" : "")).join(", "));
  if (spec.limit !== undefined) parts.push("LIMIT " + spec.limit);
  if (spec.granularity !== undefined) parts.push("EVERY " + printLength(spec.granularity));
  if (spec.compare_time_offset_seconds !== undefined) parts.push("COMPARE " + printLength(spec.compare_time_offset_seconds));
  return parts.join(" ");
}
