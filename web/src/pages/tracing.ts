// Pages that lead from one to the other, loaded together (see shared.ts).
export { default as Compare } from "./compare";
export { default as Trace } from "./trace";
export { default as Traces } from "./traces";
