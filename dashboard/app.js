// The shell: which page the address means, and whether the coordinator answers.
import {open_session, poll} from "./api.js";
import {h, replace} from "./dom.js";
import {leaderboard_page} from "./leaderboard.js";
import {overview_page} from "./overview.js";
import {queue_page} from "./queue.js";
import {run_page} from "./run_page.js";

const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
let leave = () => {};

// Each page: a pattern of the address, and a function (main, parts, options) -> {tick, interval, close}.
const PAGES = [
  {pattern: /^\/$/, name: "overview", open: overview_page},
  {pattern: /^\/sweep\/([^/]+)$/, name: "overview", open: leaderboard_page},
  {pattern: /^\/run\/([^/]+)$/, name: "overview", open: run_page},
  {pattern: /^\/queue$/, name: "queue", open: queue_page},
];

function show_health(error) {
  pulse.className = error ? "away" : "";
  if (!error) pulse.textContent = "live";
  else if (error.status === 401) show_sign_in();
  else if (error.status === 0) pulse.textContent = "coordinator away, trying again…";
  else pulse.textContent = error.message;
}

function show_sign_in() {
  leave();
  pulse.textContent = "";
  replace(main, h("div", {class: "card"},
    h("h1", {}, "Sign in"),
    h("p", {}, "This dashboard opens with the one-time address that ", h("code", {}, "sarsweep up"),
      " prints. Addresses work once and for a quarter of an hour."),
    h("p", {class: "quiet"}, "Start it again, or ask a running one: ",
      h("code", {}, "sarsweep login"), ".")));
}

function route() {
  leave();
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  for (const {pattern, name, open} of PAGES) {
    const match = pattern.exec(path);
    if (!match) continue;
    for (const link of document.querySelectorAll("[data-page]")) {
      if (link.dataset.page === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const page = open(main, match.slice(1).map(decodeURIComponent), new URLSearchParams(query));
    const stop = poll(page.tick, page.interval, show_health);
    leave = () => {
      stop();
      page.close?.();
      leave = () => {};
    };
    return;
  }
  replace(main, h("p", {class: "notice"}, "There is no such page. ", h("a", {href: "#/"}, "All sweeps")));
}

async function start() {
  try {
    if (!(await open_session())) {
      show_sign_in();
      // A login address pasted into this very tab changes the fragment alone.
      window.addEventListener("hashchange", start, {once: true});
      return;
    }
  } catch (error) {
    show_health(error);
    setTimeout(start, 2000);
    return;
  }
  window.addEventListener("hashchange", () => {
    route();
    main.focus({preventScroll: true});
    window.scrollTo(0, 0);
  });
  route();
}

start();
