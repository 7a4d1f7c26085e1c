// Runs before the first paint: the theme that was chosen, else the system's.
import { applyTheme } from "./app/theme";

applyTheme();
