export default function Doctor() {
  return <div class="page-head"><h1>Doctor</h1></div>;
}
