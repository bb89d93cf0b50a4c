// One run: how far it is, its curves, pictures, log, configuration and history.
import {enc, get} from "./api.js";
import {chart} from "./charts.js";
import {ago, chip, clock, duration, h, number, progress, replace} from "./dom.js";
import {sample_viewer} from "./samples.js";
import {verb_buttons} from "./verbs.js";

const CURVES = [
  {key: "train/loss", title: "Training loss"},
  {key: "val/loss", title: "Validation loss", unit: "fixed images, timesteps and noise"},
  {key: "train/grad_norm", title: "Gradient norm", logarithmic: true},
  {key: "train/lr", title: "Learning rate", prefix: "train/lr"},
  {key: "train/images_per_s", title: "Throughput", unit: "images/s"},
];

function facts(run) {
  const item = (title, value) => h("div", {}, h("dt", {}, title), h("dd", {}, value));
  const evals = Object.entries(run.metrics ?? {}).filter(([key]) => /^eval\/(kl_pooled|kl_label_mean|wasserstein1_pooled)$/.test(key));
  return h("dl", {class: "facts"},
    item("step", `${number(run.step ?? 0)} / ${number(run.total_steps ?? 0)}`),
    item("time left", run.state === "running" ? duration(run.eta_s) : "–"),
    item("stage", run.stage || "–"),
    item("worker", run.worker || "–"),
    item("attempt", number(run.attempt ?? 0)),
    evals.map(([key, value]) => item(key.slice(5).replaceAll("_", " "), number(value))));
}

function config_table(run) {
  const rows = Object.entries(run.config ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return h("table", {class: "config"},
    h("thead", {}, h("tr", {}, h("th", {}, "field"), h("th", {}, "value"), h("th", {}, "from"))),
    h("tbody", {}, rows.map(([key, value]) => h("tr", {},
      h("td", {}, h("code", {}, key)), h("td", {}, typeof value === "string" ? value : JSON.stringify(value)),
      h("td", {class: "quiet small"}, run.origins?.[key] ?? "default")))));
}

function attempts_table(run) {
  return h("table", {},
    h("thead", {}, h("tr", {}, ["attempt", "worker", "started", "from step", "ended", "exit", "reason"].map((t) => h("th", {}, t)))),
    h("tbody", {}, (run.attempts ?? []).map((a) => h("tr", {},
      h("td", {class: "num"}, a.attempt), h("td", {}, a.worker), h("td", {}, clock(a.started_ms)),
      h("td", {class: "num"}, number(a.resume_step)), h("td", {}, a.end ?? "–"),
      h("td", {class: "num"}, a.exit_code ?? "–"), h("td", {class: "quiet small"}, a.reason ?? "")))));
}

function history_list(run) {
  return h("ul", {class: "small"}, (run.events ?? []).slice(-40).reverse().map((event) => h("li", {},
    h("span", {class: "quiet"}, `${clock(event.t_ms)} `), event.what, " ",
    h("span", {class: "quiet"}, `by ${event.actor} `),
    typeof event.detail === "string" ? event.detail : event.detail ? JSON.stringify(event.detail) : "")));
}

// The tail of the log, fetched by offset so that nothing comes twice.
function log_tail(id) {
  const place = h("pre", {class: "log", tabindex: 0, "aria-label": "log of the trainer"});
  let cursor = {attempt: null, next: -16384};
  return {
    element: h("section", {class: "card"}, h("h2", {}, "Log"), place),
    async update() {
      const of = cursor.attempt === null ? "" : `&attempt=${cursor.attempt}`;
      const piece = await get(`/api/v1/runs/${enc(id)}/log?offset=${cursor.next}&limit=65536${of}`);
      const at_end = place.scrollHeight - place.scrollTop - place.clientHeight < 30;
      if (piece.text) place.append(document.createTextNode(piece.text));
      cursor = {attempt: piece.attempt, next: piece.next};
      if (at_end) place.scrollTop = place.scrollHeight;
    },
    restart() {
      cursor = {attempt: null, next: -16384};
      place.append(document.createTextNode("\n— next attempt —\n"));
    },
  };
}

function curve_set() {
  const charts = new Map();
  const element = h("div", {class: "grid"});
  return {
    element,
    async update(id, run) {
      const series = await get(`/api/v1/runs/${enc(id)}/metrics?max_points=1000`);
      const boundaries = (run.attempts ?? []).map((attempt) => attempt.resume_step ?? 0);
      for (const curve of CURVES) {
        const key = series[curve.key] ? curve.key : Object.keys(series).find((k) => curve.prefix && k.startsWith(curve.prefix));
        const points = key ? series[key] : null;
        if (!points?.length) continue;
        if (!charts.has(curve.key)) {
          charts.set(curve.key, chart(curve.title, curve.unit));
          element.append(charts.get(curve.key).element);
        }
        await charts.get(curve.key).show(points, boundaries,
          {logarithmic: curve.logarithmic, text: number(points.at(-1)[1])});
      }
    },
    close() {
      for (const one of charts.values()) one.close();
    },
  };
}

function show_head(place, run) {
  replace(place,
    h("h1", {}, run.name, " ", chip(run.state)),
    h("div", {class: "quiet"}, h("a", {href: `#/sweep/${enc(run.sweep)}`}, run.sweep),
      run.label ? ` · ${run.label}` : null, ` · seed ${run.seed}`, run.finished_ms ? ` · ended ${ago(run.finished_ms)}` : null),
    run.reason ? h("p", {class: `notice${run.state === "failed" ? " bad" : ""}`}, run.reason) : null);
}

export function run_page(main, [id]) {
  const parts = {head: h("div", {}), summary: h("section", {class: "card"}), config: h("div", {class: "scroll"}),
    attempts: h("div", {class: "scroll"}), history: h("div", {})};
  const [verbs, samples, log, curves] = [verb_buttons(id), sample_viewer(), log_tail(id), curve_set()];
  samples.element.hidden = true;
  const fold = (title, body, open = false) => h("details", {class: "card", open}, h("summary", {}, title), body);
  replace(main, h("div", {class: "head"}, parts.head, verbs.element), parts.summary, curves.element, samples.element,
    log.element, fold("Configuration", parts.config), fold("Attempts", parts.attempts), fold("History", parts.history));
  let last = "";
  let seen = {step: -1, attempt: null, samples: ""};

  const redraw = (run) => {
    show_head(parts.head, run);
    verbs.show(run.state);
    replace(parts.summary, facts(run), h("p", {}), progress(run.progress, "progress of the run", true));
    replace(parts.config, config_table(run));
    replace(parts.attempts, attempts_table(run));
    replace(parts.history, history_list(run));
  };
  return {
    interval: 1500,
    tick: async () => {
      const run = await get(`/api/v1/runs/${enc(id)}`);
      const text = JSON.stringify(run);
      if (text === last) return;
      last = text;
      redraw(run);
      if (seen.attempt !== null && seen.attempt !== run.attempt) log.restart();
      const pictures = await get(`/api/v1/runs/${enc(id)}/samples`);
      if (JSON.stringify(pictures) !== seen.samples) samples.show(pictures);
      seen = {step: run.step, attempt: run.attempt, samples: JSON.stringify(pictures)};
      await log.update().catch(() => {});
      await curves.update(id, run);
    },
    close: () => curves.close(),
  };
}
