// Pictures of a run over its steps: one slider, one amplitude window for all of them.
import {h, replace} from "./dom.js";

const WINDOWS = [
  {label: "amplitude 0 to 1", style: ""},
  {label: "amplitude 0 to 1/2", style: "window-2"},
  {label: "amplitude 0 to 1/4", style: "window-4"},
];

function figure(sample) {
  return h("figure", {},
    h("img", {src: `/api/v1/artifacts/${sample.sha256}`, alt: sample.prompt || sample.file, loading: "lazy"}),
    h("figcaption", {title: sample.prompt}, sample.prompt || sample.file));
}

export function sample_viewer() {
  const place = h("div", {class: "samples"});
  const label = h("output", {});
  const slider = h("input", {type: "range", min: 0, max: 0, value: 0, "aria-label": "training step of the pictures"});
  const amplitude = h("select", {"aria-label": "amplitude window"},
    WINDOWS.map((one, index) => h("option", {value: index}, one.label)));
  const element = h("section", {class: "card"},
    h("h2", {}, "Samples"),
    h("div", {class: "controls"}, slider, label, amplitude), place);
  let steps = [];
  let by_step = new Map();

  const draw = () => {
    const step = steps[Number(slider.value)];
    label.textContent = step === undefined ? "" : `step ${step.toLocaleString("en")}`;
    replace(place, (by_step.get(step) ?? []).map(figure));
  };
  slider.addEventListener("input", draw);
  amplitude.addEventListener("change", () => {
    place.className = `samples ${WINDOWS[Number(amplitude.value)].style}`;
  });

  return {
    element,
    show(samples) {
      element.hidden = samples.length === 0;
      const at_end = Number(slider.value) >= steps.length - 1;
      by_step = new Map();
      for (const sample of samples) {
        if (!by_step.has(sample.step)) by_step.set(sample.step, []);
        by_step.get(sample.step).push(sample);
      }
      steps = [...by_step.keys()].sort((a, b) => a - b);
      slider.max = Math.max(0, steps.length - 1);
      slider.hidden = steps.length < 2;
      if (at_end || Number(slider.value) >= steps.length) slider.value = slider.max;
      draw();
    },
  };
}
