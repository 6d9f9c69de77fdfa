"use strict";
const form = document.getElementById("marks");
const columns = form.dataset.columns.split(",");
const rows = () => [...form.querySelectorAll("li[data-finding]")].map((item) => ({
  ...item.dataset,
  mark: item.querySelector("input[type=radio]:checked")?.value ?? "",
  note: item.querySelector("input[type=text]").value,
}));
const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
const count = () => {
  const all = rows();
  const done = all.filter((row) => row.mark).length;
  document.getElementById("count").textContent = `${done} of ${all.length} sentences judged`;
};
let unsaved = false;
form.addEventListener("change", () => { unsaved = true; count(); });
form.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
document.getElementById("save").addEventListener("click", () => {
  const lines = rows().map((row) => columns.map((name) => quoted(row[name])).join(","));
  const text = [columns.join(","), ...lines, ""].join("\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "marks.csv";
  link.click();
  URL.revokeObjectURL(link.href);
  unsaved = false;
});
count();
