// The choice between light and dark, set before the first paint so that nothing flashes.
try {
  const theme = localStorage.getItem("koppel-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage in this browser: it follows the system.
}
