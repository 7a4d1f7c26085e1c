export default function Query() {
  return <div class="page-head"><h1>Query</h1></div>;
}
