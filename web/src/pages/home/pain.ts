// How much a service hurts, and what changed since as long a time before: pure, from two service maps.
import type { MapEdge, MapNode } from "../../api/types";
import { showMs } from "../../kit/format";

export interface Pain { node: MapNode; before: MapNode | null; errorShare: number; errorShareBefore: number; slower: number; score: number }
export interface Change {
  service: string | null; // null: all together
  kind: "new" | "gone" | "errors" | "late" | "slower" | "faster" | "busier" | "quieter";
  text: string;
  weight: number;
}

const FEW = 20; // below so many requests a share says little
const SLOWER = 1.2; // what P95 is times the one before without anything having changed

function total(nodes: readonly MapNode[]): number { return nodes.reduce((sum, n) => sum + (n.kind === "service" ? n.count : 0), 0); }

// Whether the time before can be held against this one: the sending may only just have begun.
export function isComparable(now: readonly MapNode[], before: readonly MapNode[], least = 0.2): boolean { return total(before) >= least * total(now) && total(before) > 0; }

function share(n: MapNode | null): number { return n && n.count > 0 ? n.errors / n.count : 0; }

// By how much more fails, beyond what chance makes.
function moreErrors(node: MapNode, was: MapNode | null): number {
  const now = share(node), before = share(was), noise = was ? 2 * Math.sqrt(Math.max(now, before) / Math.max(1, Math.min(node.count, was.count))) : 0;
  return now - before > noise ? now - before : 0;
}

function byPain(a: Pain, b: Pain): number { return b.score - a.score || b.node.count - a.node.count; }

export function pains(now: readonly MapNode[], before: readonly MapNode[]): Pain[] {
  const earlier = new Map(isComparable(now, before) ? before.filter(n => n.kind === "service").map(n => [n.name, n]) : []);
  return now.filter(n => n.kind === "service").map(node => {
    const was = earlier.get(node.name) ?? null, errorShare = share(node), errorShareBefore = share(was);
    const slower = was && was.count >= FEW && node.count >= FEW && was.p95_ms && node.p95_ms ? node.p95_ms / was.p95_ms : 1;
    const sure = Math.min(1, node.count / FEW);
    const score = sure * (20 * moreErrors(node, was) + 5 * errorShare + (slower >= SLOWER ? 2 * Math.log2(slower) : 0));
    return { node, before: was, errorShare, errorShareBefore, slower, score };
  }).sort(byPain);
}

// All services of the range, judged by the part of it that can be held against a time before.
export function judged(all: readonly MapNode[], now: readonly MapNode[], before: readonly MapNode[], later: readonly Change[] = []): Pain[] {
  const judgement = new Map(pains(now, before).map(p => [p.node.name, p])), waits = new Map(later.map(c => [c.service, c.weight]));
  return pains(all, []).map(p => ({ ...p, ...judgement.get(p.node.name), node: p.node, errorShare: p.errorShare })).map(p => ({ ...p, score: p.score + (waits.get(p.node.name) ?? 0) })).sort(byPain);
}

const LATE_MS = 1000, OFTEN = 20; // a message that waits longer is late; so much longer than most, and not all consumers are as slow

// Who takes messages late: later than before, or some of them much later than others.
export function late(now: readonly MapEdge[], before: readonly MapEdge[]): Change[] {
  const key = (e: MapEdge) => `${e.from}\n${e.to}`, earlier = new Map(before.filter(e => e.wait_count).map(e => [key(e), e]));
  return now.flatMap(e => {
    const wait = e.wait_p95_ms ?? 0, was = earlier.get(key(e))?.wait_p95_ms, isNew = was !== undefined && wait >= 1.5 * was;
    if (!e.wait_count || e.wait_count < FEW || wait < LATE_MS || !(isNew || wait >= OFTEN * (e.wait_p50_ms ?? wait))) return [];
    return [{ service: e.to, kind: "late" as const, weight: 3 + Math.log2(wait / LATE_MS), text: `takes messages of ${e.from} up to ${showMs(wait)} late (P95), ${isNew ? `before ${showMs(was)}` : `half of them within ${showMs(e.wait_p50_ms)}`}` }];
  });
}

// In words, the weightiest first. Without a time before there is nothing that changed.
export function changes(now: readonly MapNode[], before: readonly MapNode[]): Change[] {
  const services = before.filter(n => n.kind === "service"), out: Change[] = [];
  if (!isComparable(now, before)) return out;
  const names = new Set(now.filter(n => n.kind === "service").map(n => n.name));
  // What all do together (or the sending that began in the time before) is said once, and is not each one's news.
  const grown = total(now) / total(before), all = grown >= 2 || grown <= 0.5 ? grown : 1;
  if (all !== 1) out.push({ service: null, kind: all > 1 ? "busier" : "quieter", text: all > 1 ? `All together get ${all.toFixed(1)} × the requests` : `All together get ${(1 / all).toFixed(1)} × fewer requests`, weight: 1 });
  for (const n of services) if (!names.has(n.name) && n.count >= FEW) out.push({ service: n.name, kind: "gone", text: "is not heard of any more", weight: 3 });
  for (const p of pains(now, before)) {
    const { node, before: was } = p;
    if (!was) { out.push({ service: node.name, kind: "new", text: "is new", weight: 2 }); continue; }
    if (node.count < FEW || was.count < FEW) continue;
    const more = moreErrors(node, was);
    if (more > 0.005) out.push({ service: node.name, kind: "errors", text: `fails ${(100 * p.errorShare).toFixed(1)} % of the time, before ${(100 * p.errorShareBefore).toFixed(1)} %`, weight: 4 + 20 * more });
    if (p.slower >= 1.3) out.push({ service: node.name, kind: "slower", text: `P95 is ${p.slower.toFixed(1)} × what it was`, weight: 1 + 2 * Math.log2(p.slower) });
    if (p.slower <= 0.6) out.push({ service: node.name, kind: "faster", text: `P95 is ${(1 / p.slower).toFixed(1)} × shorter`, weight: 0.5 });
    const busier = node.count / was.count / all;
    if (busier >= 2) out.push({ service: node.name, kind: "busier", text: all === 1 ? `gets ${busier.toFixed(1)} × the requests` : `has ${busier.toFixed(1)} × its share of the requests`, weight: 1 + Math.log2(busier) / 2 });
    if (busier <= 0.5) out.push({ service: node.name, kind: "quieter", text: all === 1 ? `gets ${(1 / busier).toFixed(1)} × fewer requests` : `has a ${(1 / busier).toFixed(1)} × smaller share of the requests`, weight: 1.5 });
  }
  return out.sort((a, b) => b.weight - a.weight);
}
