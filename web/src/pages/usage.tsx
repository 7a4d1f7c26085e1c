export default function Usage() {
  return <div class="page-head"><h1>Usage</h1></div>;
}
