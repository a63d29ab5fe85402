// The ID notice works without this: it adds buttons that copy one code, and one that prints.
for (const group of document.querySelectorAll(".copies")) {
  group.hidden = !navigator.clipboard;
  for (const button of group.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      group.querySelector("[role=status]").textContent = group.dataset.done;
    });
  }
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
