// The window of Quick Connect: what is pasted is read at once. It never reads the clipboard by itself, and
// connecting takes a click.
const text = document.querySelector("[data-read-when-pasted] textarea");

text?.addEventListener("paste", () => {
  if (text.value.trim()) return; // pasted into something: the person is at work
  setTimeout(() => text.form.requestSubmit(text.form.querySelector("[data-read]")));
});
