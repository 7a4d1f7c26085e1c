export default function Servicemap() {
  return <div class="page-head"><h1>Service map</h1></div>;
}
