export default function Traces() {
  return <div class="page-head"><h1>Traces</h1></div>;
}
