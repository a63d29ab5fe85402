// The page works without this: the code can be typed. With it, a link that was opened fills the code in and leaves no trace in
// the browser's history.
const field = document.querySelector("[data-one-time] input[name=code]");
if (field && /^#[\w-]{43}$/.test(location.hash)) {
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
