// Home: is anything wrong, and where to go. Without data it becomes the ladder that leads to some.
import { environment, isEmpty } from "../../app/environment";
import { Setup } from "./setup";
import { Overview } from "./overview";
import "./home.css";

export default function Home() {
  if (environment.value === null) return null;
  return isEmpty.value ? <Setup /> : <Overview />;
}
