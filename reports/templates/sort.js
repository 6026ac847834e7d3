"use strict";
// Makes the columns of every table sortable: ascending, descending, and back to the order of the report.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const headers = [...table.tHead.rows[0].cells];
  if (rows.length < 2 || rows.some((row) => row.cells.length !== headers.length)) continue;
  const number = (cell) => (cell.dataset.value === undefined ? NaN : Number(cell.dataset.value));
  const word = (cell) => cell.textContent.trim();
  headers.forEach((header, i) => {
    const numeric = rows.some((row) => row.cells[i].dataset.value !== undefined);
    const compare = (a, b) => {
      if (!numeric) return word(a.cells[i]).localeCompare(word(b.cells[i]), "en", { numeric: true });
      const x = number(a.cells[i]), y = number(b.cells[i]);
      return x === y ? 0 : x - y;
    };
    // What has no value comes last in either direction.
    const empty = (row) => (numeric ? Number.isNaN(number(row.cells[i])) : word(row.cells[i]) === "–");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...[...header.childNodes].filter((node) => !node.classList?.contains("term")));
    header.prepend(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[header.getAttribute("aria-sort")];
      for (const other of headers) other.removeAttribute("aria-sort");
      if (next !== null) header.setAttribute("aria-sort", next ?? "ascending");
      const sign = next === "descending" ? -1 : 1;
      const known = rows.filter((row) => !empty(row));
      const sorted = next === null ? rows : [...known.sort((a, b) => sign * compare(a, b)), ...rows.filter(empty)];
      body.append(...sorted);
    });
  });
}

// Paper has nothing to unfold: what is shut is opened for it, and shut again afterwards.
let opened = [];
addEventListener("beforeprint", () => {
  opened.push(...document.querySelectorAll("details:not([open])"));
  for (const fold of opened) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of opened) fold.open = false;
  opened = [];
});

// A link to a run opens the fold that holds it, also where the browser does not do so by itself.
const unfold = () => document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
addEventListener("hashchange", unfold);
unfold();

// A choice in the contents of a narrow page shuts them: they would hide what was chosen.
const menu = document.querySelector("#contents .menu");
menu.addEventListener("click", (event) => event.target.closest("a") && menu.removeAttribute("open"));
