// What waits and why, and who works.
import {enc, get} from "./api.js";
import {ago, chip, h, number, replace} from "./dom.js";

const SHOWN = 200;

function queue_table(queue) {
  if (!queue.length) return h("p", {class: "quiet"}, "Nothing waits.");
  const more = queue.length > SHOWN;
  return [h("table", {},
    h("thead", {}, h("tr", {}, ["#", "run", "sweep", "state", "why"].map((title) => h("th", {}, title)))),
    h("tbody", {}, queue.slice(0, SHOWN).map((run) => h("tr", {},
      h("td", {class: "num"}, number(run.position)),
      h("td", {}, h("a", {class: "name", href: `#/run/${enc(run.id)}`}, run.name)),
      h("td", {}, h("a", {href: `#/sweep/${enc(run.sweep)}`}, run.sweep)),
      h("td", {}, chip(run.state)), h("td", {class: "quiet"}, run.reason))))),
    more ? h("p", {class: "quiet small"}, `The first ${SHOWN}; all: `, h("code", {}, "sarsweep ls --state queued")) : null];
}

function worker_card(worker) {
  return h("article", {class: "card"},
    h("div", {class: "chart-title"}, h("h2", {}, worker.name),
      h("span", {class: "chips"}, worker.draining ? h("span", {class: "badge"}, "draining") : null,
        worker.drain !== "none" ? h("span", {class: "badge"}, `drained by ${worker.drained_by}`) : null,
        h("span", {class: `chip ${worker.state === "live" ? "done" : "failed"}`}, worker.state))),
    h("p", {class: "quiet small"}, `${worker.host || "this machine"} · last heard ${ago(worker.last_seen_ms)}`),
    h("table", {}, h("tbody", {}, worker.slots.map((slot) => h("tr", {},
      h("td", {}, `slot ${slot.index}`), h("td", {class: "quiet"}, slot.device),
      h("td", {}, slot.run_id ? h("a", {href: `#/run/${enc(slot.run_id)}`}, slot.run_name)
        : h("span", {class: "quiet"}, slot.resting ? `rests: ${slot.resting}` : "free")))))));
}

export function queue_page(main) {
  const [waiting, working] = [h("div", {class: "card scroll"}), h("div", {class: "grid"})];
  replace(main, h("h1", {}, "Queue"), waiting, h("h1", {}, "Workers"), working);
  return {
    interval: 2000,
    tick: async () => {
      const [queue, workers] = await Promise.all([get(`/api/v1/queue?limit=${SHOWN + 1}`), get("/api/v1/workers")]);
      replace(waiting, queue_table(queue));
      replace(working, workers.length ? workers.map(worker_card)
        : h("p", {class: "notice"}, "No worker is connected. Start one: ", h("code", {}, "sarsweep worker")));
    },
  };
}
