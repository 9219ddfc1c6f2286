// Sorts a table by the column whose header is clicked: ascending, descending, original order. Ties
// keep their order, so sort by the second key first. The page is complete without this script.
"use strict";
{
  const words = new Intl.Collator("en", { numeric: true });
  const after = { none: "ascending", ascending: "descending", descending: "none" };

  // The number of a cell, null for a dash, or else its text.
  const content = (row, column) => {
    const cell = row.cells[column];
    const { value } = cell.dataset;
    if (value === undefined) return cell.textContent.trim();
    return value === "" ? null : Number(value);
  };

  const compare = (one, other, sign) => {
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === "number" && typeof other === "number") return sign * (one - other);
    return sign * words.compare(one, other);
  };

  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    const given = [...body.rows];
    if (given.length < 2) continue;
    const heads = [...[...table.tHead.rows].at(-1).cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const order = after[head.getAttribute("aria-sort") ?? "none"];
        const sign = order === "descending" ? -1 : 1;
        heads.forEach(other => other.removeAttribute("aria-sort"));
        if (order === "none") return body.append(...given);
        head.setAttribute("aria-sort", order);
        const keyed = [...body.rows].map(row => [content(row, column), row]);
        keyed.sort(([one], [other]) => compare(one, other, sign));
        body.append(...keyed.map(([, row]) => row));
      });
    });
  }

  // On paper nothing can be clicked.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
}
