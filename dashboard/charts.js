// Curves, drawn by Plotly (a global of /plotly.min.js, loaded when the first chart is wanted).
import {h} from "./dom.js";

let library = null;
function plotly() {
  library ??= new Promise((resolve, reject) => {
    const script = h("script", {src: "/plotly.min.js"});
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("plotly.min.js did not load")));
    document.head.append(script);
  });
  return library;
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A constant series gets a band around it instead of -1 to 1.
function value_range(values, logarithmic) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (logarithmic || low !== high || low === 0) return {};
  return {range: [low - 0.5 * Math.abs(low), low + 0.5 * Math.abs(low)]};
}

function layout(attempts, logarithmic, values) {
  const axis = {gridcolor: style("--line"), zeroline: false, linecolor: style("--line"), tickfont: {size: 11}};
  return {
    margin: {l: 56, r: 12, t: 8, b: 36}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: {family: "system-ui, sans-serif", color: style("--soft"), size: 12},
    xaxis: {...axis, title: {text: "step", standoff: 6}, rangemode: "tozero"},
    yaxis: {...axis, type: logarithmic ? "log" : "linear", exponentformat: "power", ...value_range(values, logarithmic)},
    showlegend: false, hovermode: "x",
    // Where an attempt took over: a dashed line at the step it resumed from.
    shapes: attempts.filter((step) => step > 0).map((step) => ({
      type: "line", x0: step, x1: step, yref: "paper", y0: 0, y1: 1,
      line: {dash: "dot", width: 1, color: style("--soft")},
    })),
  };
}

// A Plotly figure that follows the width of `frame`. Plotly may spread one job over several turns of the event loop,
// and a resize or a purge in between would meet half a figure: a figure does one job at a time, none once it is closed.
function figure(place, frame) {
  let [open, drawn, last] = [true, false, Promise.resolve()];
  const queue = (job) => {
    const done = last.then(() => (open ? job() : undefined));
    last = done.catch(() => {});
    return done;
  };
  const fit = () => {
    if (drawn && place.layout.width !== place.clientWidth) return window.Plotly.relayout(place, {width: place.clientWidth});
  };
  const watcher = new ResizeObserver(() => queue(fit).catch((error) => console.warn(error)));
  watcher.observe(frame);
  return {
    draw: (line, frame_layout) => queue(async () => {
      const library_ready = await plotly();
      await library_ready.react(place, [line], {...frame_layout, width: place.clientWidth, height: place.clientHeight},
        {displayModeBar: false});
      drawn = true;
    }),
    close() {
      open = false;
      watcher.disconnect();
      last.then(() => window.Plotly?.purge(place));
    },
  };
}

// A chart whose series can be replaced. points: [[step, value, attempt], …].
export function chart(title, unit = "") {
  const place = h("div", {class: "chart", role: "img", "aria-label": `${title} by step`});
  const latest = h("span", {class: "quiet small"});
  const element = h("section", {class: "card"},
    h("div", {class: "chart-title"}, h("h2", {}, title, unit ? h("span", {class: "quiet small"}, ` ${unit}`) : null), latest),
    place);
  // The grid gets its columns as charts arrive: each chart follows the width of its card.
  const drawing = figure(place, element);
  return {
    element,
    async show(points, attempts, {logarithmic = false, text = ""} = {}) {
      const finite = points.filter((point) => typeof point[1] === "number");
      latest.textContent = text;
      const line = {
        x: finite.map((point) => point[0]), y: finite.map((point) => point[1]),
        mode: finite.length < 12 ? "lines+markers" : "lines", line: {color: style("--accent"), width: 1.8},
        marker: {size: 5}, hovertemplate: "step %{x}<br>%{y:.5g}<extra></extra>",
      };
      await drawing.draw(line, layout(attempts, logarithmic, line.y));
    },
    close: drawing.close,
  };
}
