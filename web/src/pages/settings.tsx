export default function Settings() {
  return <div class="page-head"><h1>Settings</h1></div>;
}
