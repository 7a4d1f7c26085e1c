export default function Logs() {
  return <div class="page-head"><h1>Logs</h1></div>;
}
