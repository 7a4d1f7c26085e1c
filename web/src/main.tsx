import { render } from "preact";
import { Shell } from "./app/shell";
import "./style/tokens.css";
import "./style/base.css";
import "./style/kit.css";
import "./style/shell.css";

render(<Shell />, document.getElementById("app")!);
