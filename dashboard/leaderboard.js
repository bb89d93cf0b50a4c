// Cells of one sweep, best first; live, sortable, with the swept axes only.
import {enc, get} from "./api.js";
import {chip, h, number, progress, replace} from "./dom.js";

const short = (key) => key.replace(/^eval\//, "").replaceAll("_", " ");

const ACTIVE = ["leased", "running", "pausing", "cancelling"];

function axis_text(value) {
  if (value === undefined || value === null) return "–";
  if (typeof value === "number") return number(value);
  if (typeof value !== "object") return String(value);
  if (value.best !== undefined) return `${value.best}#${value.index + 1}`;  // a parent chosen by result
  return value.run ?? JSON.stringify(value);
}

function axis_cell(value) {
  return h("td", {class: typeof value === "number" ? "nowrap" : null}, axis_text(value));
}

// What a table can show: {key, title, numeric, value(row), cell(row)}.
function columns(sweep, rows) {
  const axes = [...new Set(rows.flatMap((row) => Object.keys(row.axes ?? {})))];
  return [
    {key: "rank", title: "#", numeric: true, value: (row) => row.rank, cell: rank_cell},
    {key: "picture", title: "", cell: thumbnail_cell},
    {key: "name", title: "run", sticky: true, value: (row) => row.name, cell: name_cell},
    metric_column(sweep.objective.metric, true),
    ...axes.map((axis) => ({
      key: axis, title: axis, value: (row) => row.axes?.[axis],
      cell: (row) => axis_cell(row.axes?.[axis]),
    })),
    ...(sweep.report ?? []).filter((key) => key !== sweep.objective.metric).map((key) => metric_column(key, false)),
    {key: "n", title: "n", numeric: true, value: (row) => row.n_images,
      cell: (row) => h("td", {class: "num"}, number(row.n_images))},
    {key: "state", title: "state", value: (row) => row.progress ?? 0, cell: state_cell},
  ];
}

function metric_column(key, objective) {
  return {
    key, title: short(key), numeric: true, value: (row) => row.metrics[key]?.mean ?? null,
    cell: (row) => metric_cell(row.metrics[key], objective),
  };
}

function rank_cell(row) {
  const text = row.rank === null ? "–" : row.rank_low === row.rank_high ? `${row.rank}` : `${row.rank_low}–${row.rank_high}`;
  return h("td", {class: "num rank"}, text);
}

function thumbnail_cell(row) {
  const run = row.runs?.[0]?.id;
  const picture = row.thumbnail
    ? h("img", {class: "thumb", src: `/api/v1/artifacts/${row.thumbnail.sha256}`, alt: `a picture of ${row.name}`, loading: "lazy"})
    : h("span", {class: "thumb none", "aria-label": "no picture yet"});
  return h("td", {}, run ? h("a", {href: `#/run/${enc(row.thumbnail?.run_id ?? run)}`, tabindex: -1}, picture) : picture);
}

function name_cell(row) {
  const runs = row.runs ?? [];
  const seeds = runs.length > 1
    ? runs.map((run) => [" ", h("a", {href: `#/run/${enc(run.id)}`, class: "badge"}, `seed ${run.seed}`)]).flat()
    : [" ", h("span", {class: "badge", title: "No interval and no test can be given for a single seed"}, "1 seed")];
  return h("td", {class: "sticky-2"},
    h("a", {class: "name", href: runs.length ? `#/run/${enc(runs[0].id)}` : null}, row.name),
    seeds,
    h("div", {class: "quiet small"}, row.label, row.aliases?.length ? ` · also ${row.aliases.join(", ")}` : null));
}

function metric_cell(metric, objective) {
  const value = metric?.mean ?? null;
  const interval = metric && metric.low !== null && metric.low !== undefined
    ? h("div", {class: "quiet small"}, `${number(metric.low)} – ${number(metric.high)}`) : null;
  return h("td", {class: "num", title: value}, objective ? h("strong", {}, number(value)) : number(value), interval);
}

function state_cell(row) {
  const states = Object.entries(row.states ?? {}).filter(([, count]) => count > 0);
  const runs = (row.runs ?? []).length;
  const active = ACTIVE.some((state) => row.states?.[state]);
  return h("td", {}, h("span", {class: "chips"},
    states.map(([state, count]) => chip(state, runs > 1 ? count : null)),
    active ? progress(row.progress, `${Math.round(100 * row.progress)} % of ${row.name}`) : null));
}

function compare(a, b) {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

function sorted(rows, column, descending) {
  if (!column?.value) return rows;
  return [...rows].sort((x, y) => {
    const [a, b] = [column.value(x), column.value(y)];
    const order = compare(a, b);
    const absent = a === null || a === undefined || b === null || b === undefined;
    return descending && !absent ? -order : order;  // What is absent stays last in both directions.
  });
}

function heading(column, view, resort) {
  if (!column.value) return h("th", {scope: "col"}, h("span", {class: "quiet"}, column.title));
  const current = view.sort === column.key;
  return h("th", {
    scope: "col", class: [column.numeric ? "num" : "", column.sticky ? "sticky-2" : ""].join(" ").trim() || null,
    "aria-sort": current ? (view.descending ? "descending" : "ascending") : null,
  }, h("button", {type: "button", "data-column": column.key, onclick: () => resort(column.key)}, column.title));
}

function table(sweep, rows, view, resort) {
  const shown = columns(sweep, rows);
  const ordered = sorted(rows, shown.find((column) => column.key === view.sort), view.descending);
  return h("table", {},
    h("caption", {class: "skip"}, `Leaderboard of ${sweep.sweep}`),
    h("thead", {}, h("tr", {}, shown.map((column) => heading(column, view, resort)))),
    h("tbody", {}, ordered.map((row) => h("tr", {"data-name": row.name}, shown.map((column) => column.cell(row))))));
}

// What the best numbers should be read against, from the evaluation of the best run.
async function references(rows) {
  const best = rows.find((row) => row.rank === 1)?.runs?.find((run) => run.state === "done");
  if (!best) return null;
  const result = await get(`/api/v1/runs/${enc(best.id)}/eval`).catch(() => null);
  if (!result) return null;
  const item = (title, value, hint) => h("div", {title: hint}, h("dt", {}, title), h("dd", {}, number(value)));
  return h("dl", {class: "facts"},
    item("real against real (floor)", result.floor?.kl_pooled, "pooled KL of one half of the real images against the other"),
    item("VAE alone", result.vae_pass?.kl_pooled, "pooled KL of the real images passed once through the run's own VAE"),
    pair("autocorrelation lag 1", result, "1"), pair("autocorrelation lag 4", result, "4"));
}

function pair(title, result, lag) {
  const [pass, made] = [result.vae_pass?.autocorrelation?.[lag], result.autocorrelation_generated?.[lag]];
  return h("div", {title: "of the VAE pass, then of the generated pictures"},
    h("dt", {}, `${title}: VAE / generated`), h("dd", {}, `${number(pass)} / ${number(made)}`));
}

// Null where the sweep goes on.
function held_notice(sweep) {
  if (!sweep.held) return null;
  return h("p", {class: "notice bad"}, `Held: ${sweep.held}. Nothing new starts; `,
    h("code", {}, `sarsweep resume @${sweep.sweep}`), " lets it go on.");
}

export function leaderboard_page(main, [name], query) {
  const view = {sort: query.get("sort") ?? "", descending: query.get("dir") === "desc"};
  const [title, counts, holder, against] = [h("div", {}), h("div", {class: "chips"}), h("div", {class: "scroll"}), h("div", {})];
  replace(main,
    h("div", {class: "head"}, title, counts),
    h("div", {class: "card flush"}, holder), against);
  replace(title, h("h1", {}, name));
  let [last, best] = ["", ""];
  let drawn = null;

  const draw = (sweep, rows) => {
    const focused = document.activeElement?.dataset?.column;
    replace(holder, rows.length ? table(sweep, rows, view, resort) : h("p", {class: "card quiet"}, "No runs yet."));
    if (focused) holder.querySelector(`[data-column="${CSS.escape(focused)}"]`)?.focus();
  };
  const resort = (key) => {
    view.descending = view.sort === key && !view.descending;
    view.sort = key;
    const parameters = new URLSearchParams({sort: key, dir: view.descending ? "desc" : "asc"});
    history.replaceState(null, "", `#/sweep/${enc(name)}?${parameters}`);
    draw(...drawn);
  };
  const show_references = async (rows) => {
    const key = JSON.stringify(rows.find((row) => row.rank === 1) ?? null);
    if (key === best) return;
    best = key;
    const facts = await references(rows);
    replace(against, facts ? h("div", {class: "card"}, h("h2", {}, "Read the best row against"), facts) : null);
  };

  return {
    interval: 1500,
    tick: async () => {
      const [sweep, rows] = await Promise.all([
        get(`/api/v1/sweeps/${enc(name)}`), get(`/api/v1/leaderboard?sweep=${enc(name)}`)]);
      const text = JSON.stringify([sweep.counts, sweep.held, rows]);
      if (text !== last) {
        last = text;
        drawn = [sweep, rows];
        replace(title, h("h1", {}, sweep.sweep), h("div", {class: "quiet"}, sweep.description),
          h("div", {class: "small quiet"}, `${sweep.objective.goal} ${sweep.objective.metric}`,
            rows[0]?.protocol_hash ? [" · protocol ", h("code", {title: rows[0].protocol_hash}, rows[0].protocol_hash.slice(0, 8))] : null),
          held_notice(sweep));
        replace(counts, Object.entries(sweep.counts).filter(([, n]) => n > 0).map(([state, n]) => chip(state, n)));
        draw(sweep, rows);
      }
      await show_references(rows);
    },
  };
}
