// Pages that lead from one to the other, loaded together (see shared.ts).
export { default as Service } from "./service";
export { default as ServiceMap } from "./map";
