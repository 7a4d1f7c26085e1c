export default function Trace() {
  return <div class="page-head"><h1>Trace</h1></div>;
}
