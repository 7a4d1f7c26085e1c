// The filter of the log page: the WHERE part of query text, or plain words, which mean lines that contain them.
import type { Scalar } from "../../api/types";

const LOGS = 'meta.signal_type = "log"';
const COMPARES = /(^|\s)(=|!=|>=|<=|>|<|starts-with|does-not-start-with|ends-with|does-not-end-with|contains|does-not-contain|exists|does-not-exist|in|not-in)(\s|\(|$)/i;

// Parts of a filter between the given word, which is not looked for inside quotes.
export function splitAt(text: string, word: "AND" | "OR"): string[] {
  const parts: string[] = [];
  let part = "", isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (isQuoted && c === "\\") { part += c + (text[++i] ?? ""); continue; }
    if (c === '"') isQuoted = !isQuoted;
    if (!isQuoted && /\s/.test(c) && text.slice(i + 1, i + 1 + word.length).toUpperCase() === word && /\s/.test(text[i + 1 + word.length] ?? "")) {
      parts.push(part.trim());
      part = "";
      i += word.length;
      continue;
    }
    part += c;
  }
  parts.push(part.trim());
  return parts.filter(p => p !== "");
}

function outsideQuotes(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"/g, '""');
}

export function isPlain(text: string): boolean {
  return !COMPARES.test(outsideQuotes(text));
}

// What the reader typed as clauses that must all hold.
export function clausesOf(typed: string): string[] {
  const text = typed.trim().replace(/^WHERE\s+/i, "");
  if (!text) return [];
  if (!isPlain(text)) return splitAt(text, "AND");
  const words = /^"(.*)"$/s.exec(text);
  return [`body contains ${JSON.stringify(words ? words[1]! : text)}`];
}

export function hasOr(typed: string): boolean {
  return !isPlain(typed.trim()) && splitAt(typed, "OR").length > 1;
}

// The filter for the server: of log lines alone.
export function whereOf(typed: string): string {
  return [LOGS, ...clausesOf(typed)].join(" AND ");
}

export function nameText(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_\-.:/+@$]*$/.test(name) && !/^(FROM|WHERE|GROUP|BY|HAVING|ORDER|LIMIT|SINCE|UNTIL|FOR|EVERY|COMPARE|AND|OR|TRUE|FALSE|NULL|ASC|DESC)$/i.test(name) ? name : JSON.stringify(name);
}

export function clause(field: string, op: "=" | "!=", value: Scalar): string {
  if (value === null) return `${nameText(field)} ${op === "=" ? "does-not-exist" : "exists"}`;
  return `${nameText(field)} ${op} ${typeof value === "string" ? JSON.stringify(value) : String(value)}`;
}

// Adds a clause; one that is there already is taken out again.
export function toggled(typed: string, added: string): string {
  const all = clausesOf(typed);
  return (all.includes(added) ? all.filter(c => c !== added) : [...all, added]).join(" AND ");
}

export function without(typed: string, removed: string): string {
  return clausesOf(typed).filter(c => c !== removed).join(" AND ");
}
