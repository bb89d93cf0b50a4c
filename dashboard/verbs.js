// The buttons that change a run. Each says what it does, as `sarsweep --help` does.
import {enc, post} from "./api.js";
import {h} from "./dom.js";

const HELD = ["leased", "running"];
const WAITING = ["waiting", "queued", "backoff", "blocked"];
const VERBS = [
  {verb: "pause", from: [...HELD, ...WAITING],
    says: "Saves a checkpoint at the next update and frees the slot. Undo: resume."},
  {verb: "resume", from: ["paused", "cancelled", "failed"], primary: true,
    says: "Queues the run again; it goes on from its newest valid checkpoint."},
  {verb: "cancel", from: [...HELD, ...WAITING, "pausing", "paused"], danger: true,
    says: "Saves a checkpoint, ships what is left and stops. Undo: resume."},
  {verb: "kill", from: [...HELD, "pausing", "cancelling"], danger: true,
    says: "Stops the process at once. Work since the last checkpoint is lost. Undo: resume."},
];

export function verb_buttons(id) {
  const said = h("p", {class: "small quiet", role: "status"});
  const buttons = VERBS.map((entry) => {
    const style = `verb${entry.danger ? " danger" : ""}${entry.primary ? " primary" : ""}`;
    const button = h("button", {type: "button", class: style, title: entry.says, "data-verb": entry.verb}, entry.verb);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const result = await post(`/api/v1/runs/${enc(id)}/${entry.verb}`);
        said.textContent = `${result.was} → ${result.state}${result.undo ? ` · undo: ${result.undo}` : ""}`;
      } catch (error) {
        said.textContent = error.message;
      }
    });
    return button;
  });
  const element = h("div", {}, h("div", {class: "verbs"}, buttons), said);
  return {
    element,
    show(state) {
      VERBS.forEach((entry, index) => {
        const possible = entry.from.includes(state);
        buttons[index].disabled = !possible;
        buttons[index].hidden = !possible && entry.verb !== "cancel" && entry.verb !== "pause";
      });
    },
  };
}
