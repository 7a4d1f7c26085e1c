// Small pages that are opened rarely, loaded together (see shared.ts).
export { default as Doctor } from "./doctor";
export { default as Keys } from "./keys";
export { default as Login } from "./login";
export { default as People } from "./people";
export { default as Settings } from "./settings";
export { default as Usage } from "./usage";
