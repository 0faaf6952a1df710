// Filters, sorts and opens the hosts of the page. Texts from hosts become text of nodes, never markup.
"use strict";
(() => {
  const report = JSON.parse(document.getElementById("data").textContent);
  const hosts = report.hosts || [];
  const body = document.querySelector(".matrix tbody");
  const rows = Array.from(body.querySelectorAll("tr[data-row]"));
  const columns = document.querySelectorAll(".matrix thead th").length;
  const search = document.getElementById("search");
  const domain = document.getElementById("domain");
  const stats = Array.from(document.querySelectorAll(".stat"));
  const bar = document.querySelector(".bar");
  const heads = Array.from(document.querySelectorAll(".matrix thead th"));
  const settled = ["compliant", "changed"];
  const order = ["failed", "blocked", "drifted", "unreachable", "compliant"];
  const labels = {
    full_name: "Full name", windows: "Windows", build: "Build", domain: "Domain",
    powershell: "PowerShell", dotnet: ".NET Framework", started: "Started",
  };
  const shown = { status: "", text: "", domain: "" };
  const details = new Map();
  const texts = [];
  document.documentElement.classList.add("js");

  // ---- nodes

  const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
  const visible = (text) =>
    String(text).replace(hidden, (found) => `<U+${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}>`);

  function node(name, className, ...children) {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  }

  const data = (text) => node("bdi", "", visible(text ?? ""));
  const code = (text) => node("code", "", data(text));
  const words = (state) => state.replaceAll("_", " ");
  const moment = (text) => String(text).replace(/^(\d{4}-\d\d-\d\d)T([\d:]{8})Z$/, "$1 $2 UTC");
  const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
  const tag = (state, text) => node("span", `tag ${state}`, text || words(state));

  // ---- a host

  function valueText(value) {
    return value ? node("div", "", code(`${value.type || ""} ${value.data ?? ""}`)) : node("span", "quiet", "absent");
  }

  function valueTable(label, values) {
    const head = node("tr", "");
    for (const title of ["Value", "Before", "Wanted"]) {
      const cell = node("th", "", title);
      cell.scope = "col";
      head.append(cell);
    }
    const lines = [];
    let last = null;
    for (const value of values) {
      const path = `${value.path || ""}${value.view === 32 ? " (32-bit view)" : ""}`;
      if (path !== last) {
        const cell = node("td", "path", code(path));
        cell.colSpan = 3;
        lines.push(node("tr", "", cell));
        last = path;
      }
      lines.push(
        node(
          "tr", "",
          node("td", "name", code(value.name || "(default)")),
          node("td", "before", valueText(value.before)),
          node("td", "wanted", valueText(value.wanted)),
        ),
      );
    }
    const widths = node("colgroup", "", node("col", ""), node("col", ""), node("col", ""));
    return node("table", "values", node("caption", "unseen", label), widths, node("thead", "", head), node("tbody", "", ...lines));
  }

  function list(items) {
    return node("ul", "", ...items.map((item) => node("li", "", ...item)));
  }

  function installation(step) {
    const by = step.attended ? ", by an operator at the host" : "";
    return [data(`${step.action} ${step.product}: ${step.before || "absent"} → ${step.wanted || "absent"}${by}`)];
  }

  function domainSection(name, state) {
    const items = [
      ...(state.installations || []).map(installation),
      ...(state.unreadable || []).map((item) => ["cannot read ", code(item.what), ": ", data(item.reason)]),
      ...(state.refused || []).map((reason) => ["refused: ", data(reason)]),
      ...(state.notes || []).map((note) => [data(note)]),
    ];
    if (!items.length && !(state.values || []).length && settled.includes(state.state)) return null;
    return node(
      "section", "",
      node("h4", "", data(words(name)), tag(state.state, state.state === "changed" ? "set by this run" : "")),
      items.length ? list(items) : null,
      (state.values || []).length ? valueTable(`Values of ${name}`, state.values) : null,
    );
  }

  const urgency = (finding) => (finding.severity === "blocks" ? 0 : finding.status === "not_stated" ? 2 : 1);

  function findingNode(finding) {
    const entry = (report.prerequisites || {})[finding.id] || {};
    const found = node("p", "quiet", "Found: ", data(finding.found), "; expected: ", data(entry.expected));
    const source = [entry.document, entry.section].filter(Boolean).join(", ");
    return node(
      "div", "finding",
      finding.status === "not_stated" ? tag("missing", "not stated") : tag(finding.severity),
      node("p", "", data(entry.text || finding.id)),
      found,
      node("p", "mend", data(entry.remedy)),
      node("p", "source", data(source)),
    );
  }

  function changeNode(change) {
    return [
      change.message ? node("span", "warn", "failed: ", data(change.message), " ") : "",
      (change.values || []).length ? `${counted(change.values.length, "value")} set. ` : "",
      ...(change.installations || []).flatMap(installation),
      ...(change.settings || []).map((text) => node("div", "", data(text))),
      change.restarted ? " Restarted." : "",
      change.undo ? node("code", "command", data(change.undo)) : "",
    ];
  }

  function named(title, ...content) {
    return node("section", "", node("h4", "", title), ...content);
  }

  // a few differences as they are, more behind their count
  function folded(title, texts) {
    const items = (texts || []).map((text) => [data(text)]);
    if (!items.length) return null;
    if (items.length <= 3) return [`${title}: `, ...items.flatMap((item, number) => (number ? [", ", ...item] : item))];
    return [node("details", "", node("summary", "", `${items.length} ${title}`), list(items))];
  }

  function build(host) {
    const facts = node("dl", "facts");
    for (const [name, value] of Object.entries(host.facts || {})) {
      facts.append(node("div", "", node("dt", "", labels[name] || name), node("dd", "", data(name === "started" ? moment(value) : value))));
    }
    const restart = host.restart || {};
    if (restart.pending) {
      const why = (restart.reasons || []).join(", ") || "no reason reported";
      facts.append(node("div", "", node("dt", "", "Pending restart"), node("dd", "", data(why))));
    }
    const parts = [facts.childElementCount ? facts : null];
    if (host.message) parts.push(node("p", "warn", data(host.message)));
    const findings = [...(host.findings || [])].sort((one, other) => urgency(one) - urgency(other));
    if (findings.length) parts.push(named("Prerequisites", ...findings.map(findingNode)));
    for (const [name, state] of Object.entries(host.domains || {})) parts.push(domainSection(name, state));
    const changes = (report.changes || []).filter((change) => change.host === host.name);
    if (changes.length) parts.push(named("Changed by this run", list(changes.map(changeNode))));
    const before = ((report.previous || {}).hosts || []).find((change) => change.name === host.name);
    if (before) {
      const status = before.before === before.after ? [] : [["was ", tag(before.before), ", is ", tag(before.after)]];
      const items = [folded("new", before.new), folded("resolved", before.resolved)].filter(Boolean);
      parts.push(named("Since the previous report", list([...status, ...items])));
    }
    const content = parts.filter(Boolean);
    return content.length ? content : [node("p", "quiet", "Everything that was compared complies.")];
  }

  function toggle(row, open) {
    const number = Number(row.dataset.row);
    const button = row.querySelector(".open");
    let detail = details.get(number);
    if (open && !detail) {
      const cell = node("td", "", ...build(hosts[number]));
      cell.colSpan = columns;
      detail = node("tr", "detail", cell);
      detail.id = `detail-${number}`;
      button.setAttribute("aria-controls", detail.id);
      details.set(number, detail);
      row.after(detail);
    }
    if (detail) detail.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    row.classList.toggle("unfolded", open);
  }

  // ---- what is shown

  function differs(host, name) {
    const state = (host.domains || {})[name];
    return state !== undefined && !settled.includes(state.state);
  }

  function textOf(number) {
    if (texts[number] === undefined) {
      const host = hosts[number];
      const more = (host.findings || []).map((finding) => (report.prerequisites || {})[finding.id]);
      texts[number] = strings([host, more]).join("\n").toLowerCase();
    }
    return texts[number];
  }

  // the texts themselves, not their JSON, in which a backslash is two
  function strings(value) {
    if (typeof value === "string") return [value];
    if (value === null || typeof value !== "object") return [String(value)];
    if (Array.isArray(value)) return value.flatMap(strings);
    return Object.entries(value).flatMap(([key, item]) => [key, ...strings(item)]);
  }

  function matches(number) {
    const host = hosts[number];
    if (shown.status === "restart" ? !(host.restart || {}).pending : shown.status && host.status !== shown.status) return false;
    if (shown.domain && !differs(host, shown.domain)) return false;
    return shown.text.split(/\s+/).every((word) => !word || textOf(number).includes(word));
  }

  function apply() {
    let count = 0;
    for (const row of rows) {
      const number = Number(row.dataset.row);
      const show = matches(number);
      row.hidden = !show;
      count += show ? 1 : 0;
      const detail = details.get(number);
      if (detail) detail.hidden = !show || !row.classList.contains("unfolded");
    }
    const all = count === rows.length;
    document.getElementById("count").textContent = all ? counted(count, "host") : `${count.toLocaleString("en")} of ${counted(rows.length, "host")}`;
    document.getElementById("clear").hidden = !(shown.status || shown.domain || shown.text);
    document.getElementById("nothing").hidden = count > 0 || rows.length === 0;
    for (const stat of stats) stat.setAttribute("aria-pressed", String(stat.dataset.status === shown.status));
    bar.classList.toggle("filtered", Boolean(shown.status) && shown.status !== "restart");
    for (const part of bar.querySelectorAll("rect")) part.classList.toggle("on", part.dataset.status === shown.status);
  }

  function choose(status) {
    shown.status = shown.status === status ? "" : status;
    apply();
  }

  function clear() {
    Object.assign(shown, { status: "", text: "", domain: "" });
    search.value = "";
    domain.value = "";
    apply();
  }

  // ---- order

  function weight(host, name) {
    const state = (host.domains || {})[name];
    if (!state) return -1;
    if (settled.includes(state.state)) return 0;
    return 1 + (state.values || []).length + (state.installations || []).length;
  }

  const collator = new Intl.Collator("en", { numeric: true });
  const keys = {
    name: (host) => host.name,
    status: (host) => order.indexOf(host.status) * 2 + ((host.restart || {}).pending ? 0 : 1),
    windows: (host) => (host.facts || {}).windows || "",
    domain: (host, name) => -weight(host, name),
    findings: (host) => (host.findings || []).reduce((sum, finding) => sum - [1000, 1, 0][urgency(finding)], 0),
    restart: (host) => ((host.restart || {}).pending ? 0 : (host.restart || {}).after_changes ? 1 : 2),
  };

  function sort(head) {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    const key = (row) => keys[head.dataset.sort](hosts[Number(row.dataset.row)], head.dataset.domain);
    const compared = rows.map((row) => [key(row), hosts[Number(row.dataset.row)].name || "", row]);
    compared.sort(([one, name], [other, otherName]) => {
      const first = typeof one === "number" ? one - other : collator.compare(one, other);
      return (ascending ? first : -first) || collator.compare(name, otherName);
    });
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const fragment = document.createDocumentFragment();
    for (const [, , row] of compared) {
      fragment.append(row);
      const detail = details.get(Number(row.dataset.row));
      if (detail) fragment.append(detail);
    }
    body.append(fragment);
  }

  // ---- events

  body.addEventListener("click", (event) => {
    const button = event.target.closest(".open");
    if (button) toggle(button.closest("tr"), button.getAttribute("aria-expanded") !== "true");
  });
  for (const stat of stats) stat.addEventListener("click", () => choose(stat.dataset.status));
  bar.addEventListener("click", (event) => {
    if (event.target.dataset.status) choose(event.target.dataset.status);
  });
  for (const head of heads) head.querySelector("button").addEventListener("click", () => sort(head));
  let pause = 0;
  search.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      shown.text = search.value.trim().toLowerCase();
      apply();
    }, 80);
  });
  domain.addEventListener("change", () => {
    shown.domain = domain.value;
    apply();
  });
  document.getElementById("clear").addEventListener("click", clear);
  document.getElementById("clear-all").addEventListener("click", clear);
  document.getElementById("unfold").addEventListener("click", () => {
    // all hosts of a large fleet at once would take seconds; those that are in view first are most wanted
    const closed = rows.filter((row) => !row.hidden && !row.classList.contains("unfolded"));
    for (const row of closed.slice(0, 200)) toggle(row, true);
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && event.target === search) {
      clear();
    }
  });
  // paper unfolds nothing
  window.addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details:not([open])")) {
      folded.open = true;
      folded.dataset.folded = "yes";
    }
  });
  window.addEventListener("afterprint", () => {
    for (const folded of document.querySelectorAll("details[data-folded]")) {
      folded.open = false;
      delete folded.dataset.folded;
    }
  });
  // what was typed before a reload
  clear();
})();
