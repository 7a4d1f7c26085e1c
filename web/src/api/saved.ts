// What people keep in the server: stored results, history, saved queries, markers (docs/openapi.yaml).
import { environment } from "../app/environment";
import { call } from "./client";
import type { Differences, QueryResult } from "./types";

// How a page shows a question. The server keeps it as it is: what is read back may be of another version.
export interface View { q?: string; from?: string; to?: string; chart?: string | null; y?: string | null; sel?: string | null; base?: string | null }

interface StoredOf<K extends string, A> {
  id: string; kind: K; environment: string; by: string; created: string; state: View; answer: A;
  question: { query?: { start_time?: number; end_time?: number } };
}
export type StoredResult = StoredOf<"query", QueryResult> | StoredOf<"differences", Differences>;
export interface HistoryEntry { id: number; by: string; time: string; text: string; elapsed_ms: number | null; rows: number | null; state: View }
export interface SavedQuery { id: string; name: string; description: string; text: string; changed: string; changed_by: string; version: number; state: View }
export interface Moment { id: string; start_time: string; end_time: string | null; message: string; type: string; url: string }

const here = () => ({ environment: environment.value ?? undefined });

export const keepResult = (kind: StoredResult["kind"], question: unknown, state: View) => call<{ id: string }>("skep/v1/results", { body: { kind, question, state } });
export const readResult = (id: string, signal: AbortSignal) => call<StoredResult>("skep/v1/results/" + encodeURIComponent(id), { signal });

export const noteQuestion = (entry: Pick<HistoryEntry, "text" | "state"> & { elapsed_ms: number; rows: number }) => call("skep/v1/history", { body: { ...here(), ...entry } });
export const readHistory = async (isMine: boolean, signal: AbortSignal) =>
  (await call<{ history: HistoryEntry[] }>("skep/v1/history", { params: { ...here(), mine: isMine ? "true" : null, limit: 200 }, signal })).history;

export const readSaved = async (signal?: AbortSignal) => (await call<{ saved: SavedQuery[] }>("skep/v1/saved", { params: here(), signal })).saved;
export const saveQuery = (q: Pick<SavedQuery, "name" | "description" | "text" | "state">, over: SavedQuery | null) =>
  call<SavedQuery>("skep/v1/saved" + (over ? "/" + over.id : ""), { method: over ? "PUT" : "POST", body: { ...here(), ...q, ...(over ? { version: over.version } : {}) } });
export const deleteSaved = (q: SavedQuery) => call("skep/v1/saved/" + q.id, { method: "DELETE", params: { ...here(), version: q.version } });

export const readMarkers = async (start: number, end: number, signal: AbortSignal) =>
  (await call<{ markers: Moment[] }>("skep/v1/markers", { params: { ...here(), start, end, limit: 200 }, signal })).markers;
export const addMarker = (m: Pick<Moment, "message" | "type" | "url"> & { start_time: number }) => call<Moment>("skep/v1/markers", { body: { ...here(), ...m } });
export const deleteMarker = (m: Moment) => call("skep/v1/markers/" + m.id, { method: "DELETE", params: here() });

// "user:ann", a key's id, "local"
export function showActor(by: string): string {
  return by === "local" ? "local user" : by.startsWith("user:") ? by.slice(5) : `key ${by}`;
}
