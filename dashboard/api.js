// The public API, and nothing else. Every page polls; no connection is held.

let csrf = "";

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function request(method, path, body) {
  const options = {method, headers: {}, credentials: "same-origin"};
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
    options.headers["X-CSRF-Token"] = csrf;
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError(0, "unreachable", "the coordinator does not answer");
  }
  const document = await response.json().catch(() => null);
  if (response.ok) return document;
  const error = document?.error ?? {};
  throw new ApiError(response.status, error.code ?? "internal", error.message ?? `status ${response.status}`);
}

export const get = (path) => request("GET", path);
export const post = (path, body = {}) => request("POST", path, body);

// Redeems the one-time code of the address, or renews what the cookie stands for. False: not logged in.
export async function open_session() {
  const code = /^#login=([0-9a-f]+)$/.exec(location.hash)?.[1];
  if (code) {
    history.replaceState(null, "", "#/");
    try {
      csrf = (await post("/api/v1/login", {code})).csrf;
      return true;
    } catch (error) {
      if (error.status === 0) throw error;
    }
  }
  try {
    csrf = (await get("/api/v1/session")).csrf;
    return true;
  } catch (error) {
    if (error.status === 401) return false;
    throw error;
  }
}

// Calls `work` now and every `interval` ms after it ended, while the page is visible, until the returned
// function is called. `health(error | null)` hears how each call went.
export function poll(work, interval, health) {
  let stopped = false;
  let timer = 0;
  const round = async () => {
    if (stopped) return;
    if (!document.hidden) {
      try {
        await work();
        health(null);
      } catch (error) {
        if (!stopped) health(error);
      }
    }
    if (!stopped) timer = setTimeout(round, interval);
  };
  round();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

export const enc = encodeURIComponent;
