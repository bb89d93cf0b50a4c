// All sweeps, newest first.
import {enc, get} from "./api.js";
import {chip, clock, h, progress, replace} from "./dom.js";

function card(sweep) {
  const rows = sweep.rows || 1;
  const done = sweep.counts.done ?? 0;
  const live = Object.entries(sweep.counts).filter(([, count]) => count > 0);
  return h("article", {class: "card"},
    h("div", {class: "head"},
      h("div", {}, h("h2", {}, h("a", {href: `#/sweep/${enc(sweep.sweep)}`}, sweep.sweep)),
        h("div", {class: "quiet small"}, sweep.description || "no description")),
      h("div", {class: "quiet small"}, clock(sweep.created_ms))),
    progress(done / rows, `${done} of ${rows} runs done`, true),
    h("p", {class: "chips"}, sweep.held ? h("span", {class: "chip failed", title: sweep.held}, "held") : null,
      live.map(([state, count]) => chip(state, count)),
      h("span", {class: "badge"}, `${sweep.cells} cells`),
      h("span", {class: "badge"}, `${sweep.objective.goal} ${sweep.objective.metric}`)));
}

const EMPTY = () => h("div", {class: "card"},
  h("h2", {}, "No sweeps yet"),
  h("p", {}, "Submit one from a shell: ", h("code", {}, "sarsweep submit sweeps/quickstart.yaml")));

export function overview_page(main) {
  const list = h("div", {class: "grid"});
  replace(main, h("div", {class: "head"}, h("div", {}, h("h1", {}, "Sweeps"))), list);
  let last = "";
  return {
    interval: 2000,
    tick: async () => {
      const sweeps = await get("/api/v1/sweeps");
      const text = JSON.stringify(sweeps);
      if (text === last) return;
      last = text;
      replace(list, sweeps.length ? sweeps.map(card) : EMPTY());
    },
  };
}
