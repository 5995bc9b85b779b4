// Reports anything unusual above everything else, and the state of the connection.

import { h, put, since } from "./dom.js";
import { plural, seconds, short, when } from "./format.js";

/** The lag in seconds from which on the state is called stale. */
const STALE = 60;

const REASONS = {
  diverged: "the branch was rewound or rewritten",
  refused: "it brings new problems",
  over_limit: "it brings too many problems",
  push_limit: "it changes more than one push is allowed to",
  pinned: "a commit is pinned",
};

const CONNECTIONS = {
  loading: ["Connecting", "asking for the state"],
  live: ["Live", "changes appear as they go live"],
  polling: ["Polling", "asks for changes every second or two"],
  lost: ["Offline", "the server does not respond"],
};

/** Returns the line about a replica of a cluster. A replica that is level says which one it is. */
function replicaLine({ role, name, leader, behindSeconds, replicas }) {
  const names = [name, ...replicas.map((other) => other.name)].sort();
  const which = `Replica ${names.indexOf(name) + 1} of ${names.length}`;
  if (role === "orphaned") return ["warn", `${which}, on its own`, "It knows no leader of its cluster, and asks the remote by itself."];
  const part = role === "leading" ? "leads" : leader ? `follows ${leader}` : "waits for a leader";
  if (behindSeconds >= STALE) return ["warn", `${which}, behind`, `It ${part}, and has not served the newest publication for ${seconds(behindSeconds)}.`];
  return ["replica", `${which}, ${part}`, ""];
}

/** Returns the banner's lines: `[kind, headline, text]`. */
function lines({ status, connection }) {
  if (!status) return connection === "lost" ? [["bad", "No response", "The server does not respond, or is still loading its records. Retrying automatically."]] : [];
  const all = [];
  if (connection === "lost") all.push(["bad", "Offline", `The server does not respond. This page shows what it served at ${short(status.commit)}.`]);
  if (status.pinned) {
    all.push(["warn", "Pinned", `An operator pinned ${short(status.pinned.commit)} at ${when(status.pinned.since)}. Pushes are fetched and held until it is unpinned.`]);
  }
  if (status.held) {
    const { commit, reason, problemsTotal, since } = status.held;
    const problems = problemsTotal > 0 ? ` (${plural(problemsTotal, "problem")})` : "";
    all.push(["warn", "A push is held", `${short(commit)} has been held since ${when(since)}, because ${REASONS[reason] ?? reason}${problems}. ${short(status.commit)} is still served.`]);
  }
  if (status.branchMissing) all.push(["bad", "The branch is gone", `${status.branch} is no longer on the remote. Its last state is still served.`]);
  if (status.headBranch) all.push(["warn", "Another branch is checked out", `${status.branch} is still served; commits to ${status.headBranch} do not go live. Serve that branch with --branch, or restart.`]);
  if (status.lag.seconds >= STALE && !status.pinned && !status.held) {
    all.push(["warn", "Stale", `The remote has had a newer head for ${seconds(status.lag.seconds)}.`]);
  }
  if (status.cluster) all.push(replicaLine(status.cluster));
  if (status.degraded) all.push(["warn", "Degraded", "The state has problems that would refuse a push. See Problems."]);
  return all;
}

/** Shows the banner; an unchanged banner is not announced again. */
export function showBanner(element, live) {
  const told = lines(live);
  const key = JSON.stringify(told);
  if (element.dataset.told === key) return;
  element.dataset.told = key;
  put(element, told.map(([kind, headline, text]) => h("p", { class: `banner ${kind}` }, h("strong", {}, headline), " ", text)));
}

/** Shows the served commit, since when, and whether changes arrive. */
export function showState(element, { status, connection }) {
  const [name, title] = CONNECTIONS[connection];
  const dot = h("span", { class: `dot ${connection}`, title }, name);
  if (!status) return put(element, dot);
  const commit = h("code", { title: status.commit }, short(status.commit));
  put(element, h("span", { class: "served" }, commit, " ", since(status.publishedAt)), dot);
}
