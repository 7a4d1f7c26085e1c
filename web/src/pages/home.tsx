// Home: is anything wrong, and where to go.
import { environment } from "../app/environment";

export default function Home() {
  return <div class="page-head"><h1>{environment.value}</h1></div>;
}
