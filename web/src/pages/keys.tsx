export default function Keys() {
  return <div class="page-head"><h1>Keys</h1></div>;
}
