export default function Service() {
  return <div class="page-head"><h1>Service</h1></div>;
}
