"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const tools = document.getElementById("tools");

  // A row and the rows of its method's other networks move and hide together.
  const groups = (body) => {
    const found = [];
    for (const row of body.rows) {
      if (row.dataset.kind === "network") found.at(-1).push(row);
      else found.push([row]);
    }
    return found;
  };

  const sort = (button) => {
    const head = button.closest("th");
    const table = head.closest("table");
    const again = head.getAttribute("aria-sort");
    const first = head.dataset.better === "high" ? "descending" : "ascending";
    const order = again === null ? first : again === "ascending" ? "descending" : "ascending";
    for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    for (const body of all("tbody.sortable", table)) {
      const keyed = groups(body).map((group) => [group[0].cells[head.cellIndex].dataset, group]);
      keyed.sort(([one], [two]) => {
        if (one.text !== undefined) return sign * one.text.localeCompare(two.text);
        const known = [one.value === undefined, two.value === undefined];
        if (known[0] || known[1]) return known[0] - known[1];  // what is not known stands last either way
        return sign * (Number(one.value) - Number(two.value));
      });
      body.append(...keyed.flatMap(([, group]) => group));
    }
  };

  const filter = () => {
    const words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = all("select[data-facet]", tools).filter((select) => select.value !== "");
    const shows = (name) => document.getElementById(`show-${name}`)?.checked ?? true;
    let count = 0;
    let total = 0;
    for (const track of all("section.track")) {
      const facets = wanted.every((select) => track.getAttribute(`data-facet-${select.dataset.facet}`) === select.value);
      let left = 0;
      for (const body of all("tbody.sortable", track)) {
        for (const group of groups(body)) {
          const kind = group[0].dataset.kind;
          const name = group[0].dataset.name.toLowerCase();
          const seen = facets && words.every((word) => name.includes(word)) &&
            (kind !== "published" || shows("published")) && (kind === "ranked" || kind === "published" || shows("unranked"));
          for (const row of group) row.hidden = !seen;
          total += 1;
          left += seen;
        }
        body.hidden = ![...body.rows].some((row) => !row.hidden);
      }
      for (const caption of all("tbody.source", track)) caption.hidden = caption.nextElementSibling.hidden;
      track.hidden = left === 0;
      count += left;
    }
    document.getElementById("count").textContent = count === total ? "" : `${count} of ${total} rows`;
    document.getElementById("none").hidden = count > 0;
  };

  for (const button of all("th button")) button.addEventListener("click", () => sort(button));
  for (const field of all("input, select", tools)) field.addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      document.getElementById("search").focus();
    }
  });
  document.documentElement.classList.add("scripted");
  filter();
})();
