// Questions to the server. Each kind is counted, so that of two only the newer one is answered.

const client = Math.random().toString(36).slice(2) + Date.now().toString(36);
const newest = new Map();

export class Failure extends Error {}

/** Ask; the response, null if it was superseded. Raises `Failure` with the server's words. */
export async function ask(path, given, signal) {
  let response;
  try {
    response = await fetch(`${path}?${new URLSearchParams(given)}`, { signal });
  } catch (error) {
    if (error.name === "AbortError") return null;
    throw new Failure("The server does not answer.");
  }
  if (response.status === 204) return null;
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Failure(answer.error ?? `The server answers ${response.status}.`);
  }
  return response;
}

/** Ask for a study. An older question of the same kind is given up. Null if this one was, too. Raises `Failure`. */
export async function study(kind, given) {
  const last = newest.get(kind);
  last?.abort.abort();
  const mine = { number: (last?.number ?? 0) + 1, abort: new AbortController() };
  newest.set(kind, mine);
  const question = { ...given, client, number: mine.number };
  const response = await ask(kind, question, mine.abort.signal);
  const answer = response && (await response.json().catch(() => null));
  if (newest.get(kind) !== mine) return null;
  if (answer?.refused) throw new Failure(answer.refused);
  return answer;
}

/**
 * Listen for the state of the server; not while nobody sees the page, for browsers allow few connections.
 * `onLost` is told what is wrong; a browser tries again by itself, unless the server has refused it.
 */
export function listen(onState, onLost) {
  let source = null;
  const lose = async () => {
    if (source?.readyState !== EventSource.CLOSED) {
      onLost("The server does not answer; trying again …");
      return;
    }
    source = null; // another try when the page is seen again
    await ask("state", {}).then(() => onLost("The server sends no news; reload the page."), (error) => onLost(error.message));
  };
  const open = () => {
    if (source !== null || document.hidden) return;
    source = new EventSource("events");
    source.onmessage = (event) => onState(JSON.parse(event.data));
    source.onerror = lose;
  };
  const close = () => { source?.close(); source = null; };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

export { client };
