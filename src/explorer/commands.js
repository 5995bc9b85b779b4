// What one can do here, by name: the commands of the box behind Ctrl+K.

import { canSignIn, signIn, signOut, token } from "./credential.js";
import { live } from "./live.js";
import { link, parse } from "./route.js";

/** Returns the commands: `{ title, note, address }` or `{ title, note, run }`. Those of the shown page come first. */
export function commands() {
  const { name, rest, params } = parse(location.hash);
  const [sheet, ...key] = rest;
  const isHere = (page) => name === page && sheet !== undefined;
  const ofRecord = isHere("record") && live.mayWrite(sheet) && !params.has("at") ? recordCommands(sheet, key) : [];
  const ofSheet = isHere("sheet") && live.mayWrite(sheet) ? [{ title: "Change many", note: `of ${sheet}`, address: link(["bulk", sheet], params) }] : [];
  const elsewhere = document.getElementById("elsewhere");
  const sheets = live.sheets.filter(({ name }) => live.mayWrite(name)).sort((one, other) => (other.name === sheet) - (one.name === sheet));
  return [
    ...ofRecord, ...ofSheet,
    elsewhere && { title: "Use it elsewhere", note: "copy, download or link to it", run: () => elsewhere.click() },
    ...sheets.map(({ name }) => ({ title: "New record", note: `in ${name}`, address: link(["new", name]) })),
    canSignIn(live.takesWrites) && { title: "Sign in", run: signIn },
    token() !== null && { title: "Sign out", run: signOut },
  ].filter(Boolean);
}

function recordCommands(sheet, key) {
  const note = key.join("/");
  return [
    { title: "Edit", note, address: link(["edit", sheet, ...key]) },
    { title: "Duplicate", note, address: link(["new", sheet], { from: note }) },
    { title: "Undo the last change", note: `of ${note}`, address: link(["undo"], { sheet, key: note }) },
    { title: "Delete", note, address: link(["delete", sheet, ...key]) },
  ];
}
