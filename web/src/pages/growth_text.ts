// What growth is said in words: pure.
import { plural, showBytes } from "../kit/format";

const DAY = 86400;

export interface Growth { days: { time: string; count: number; bytes: number }[]; aDay: number; history: number; used: number; max: number | null; settled: number } // aDay, used, max, settled: bytes; history: seconds; settled: where retention holds it

export function sentence(g: Growth): string {
  if (!g.history) return "There is less than an hour of events in files: too little to say how it grows.";
  const rate = `About ${showBytes(g.aDay)} a day in all environments, by the last ${g.history < 2 * DAY ? plural(Math.round(g.history / 3600), "hour") : plural(Math.round(g.history / DAY), "day")}.`;
  if (g.max === null) return rate;
  const of = `${showBytes(g.used)} of ${showBytes(g.max)} (--disk-max) are used.`;
  if (g.settled < g.max) return `${rate} ${of} Retention holds it at about ${showBytes(g.settled)}: the limit is not reached.`;
  return `${rate} ${of} At this rate the limit is reached in about ${plural(Math.max(0, Math.round((g.max - g.used) / g.aDay)), "day")}; then the oldest events make room.`;
}
