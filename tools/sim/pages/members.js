// The list of members: search, sort, and open one of them.
import { day, get, h, keep, label, soon } from "./api.js";
import { differences, fullName, isCompared, on, store } from "./store.js";

const PAGE = 100;
const $ = (id) => document.getElementById(id);
const view = { sort: "", order: "down", limit: PAGE };
let shown = [];

export function badge(member) {
  if (member.cancel_requested) return ["warn", "to confirm"];
  if (member.status === "CANCELLED") return ["off", "cancelled"];
  if (member.status === "PENDING_CANCELLATION") return ["warn", "leaving"];
  if (member.failed_attempts) return ["bad", `unpaid ×${member.failed_attempts}`];
  if (member.on_trial) return ["info", "free trial"];
  return member.status ? ["good", "active"] : ["off", "no member"];
}

// What is known of a member's contact: nothing where no pipeline is attached, and grey where nothing was compared.
function crmBadge(id) {
  if (!store.pipeline.attached) return null;
  if (differences(id).length) return ["bad", "CRM differs"];
  return isCompared(id) ? ["good", "CRM in sync"] : ["off", "not compared"];
}

export function tierName(member) {
  const tier = store.state?.tiers.find((one) => one.id === member.tier_id);
  return tier ? h(`span.tier.rank${tier.rank}`, {}, tier.name) : h("span.soft", {}, "none");
}

export const readMembers = soon(async () => {
  const query = { limit: view.limit, search: $("search").value, status: $("status").value };
  if (view.sort) Object.assign(query, { sort: view.sort, order: view.order });
  const found = await get("/_sim/members", query);
  shown = found.members;
  for (const one of shown) store.people.set(one.customer_id, fullName(one));
  $("members-count").textContent = shown.length === found.total ? found.total : `${shown.length} of ${found.total}`;
  $("members-more").hidden = shown.length < view.limit;
  $("members-empty").hidden = shown.length > 0;
  $("members-empty").textContent = found.total ? "No member matches." : "No members yet: use Join or Invite.";
  show();
}, 250);

function show() {
  const rows = shown.map((one) => ({ ...one, crm: crmBadge(one.customer_id) }));
  keep($("member-rows"), rows, (one) => one.customer_id, row);
}

function row(member) {
  const [tone, said] = badge(member);
  const open = h("button.link", { "data-member": member.customer_id }, h("bdi", {}, fullName(member)));
  return h("tr", { "data-member": member.customer_id },
    h("td.member", {}, open, h("span.soft", {}, h("bdi", {}, member.email))),
    h("td", {}, tierName(member)),
    h("td.states", {}, h(`span.pill.${tone}`, {}, said), member.crm ? h(`span.pill.${member.crm[0]}`, {}, member.crm[1]) : null),
    h("td.number", {}, label("Credits"), member.balance.toFixed(2)),
    h("td.number", {}, member.cancel_at ? null : label("Next payment"), member.cancel_at ? `ends ${day(member.cancel_at)}` : day(member.due_at)));
}

function sortBy(button) {
  const name = button.dataset.sort;
  const firstUp = name === "name" || name === "due";
  if (view.sort === name) view.order = view.order === "up" ? "down" : "up";
  else Object.assign(view, { sort: name, order: firstUp ? "up" : "down" });
  for (const head of document.querySelectorAll("#members th")) head.removeAttribute("aria-sort");
  button.parentElement.setAttribute("aria-sort", view.order === "up" ? "ascending" : "descending");
  readMembers();
}

export function start() {
  for (const button of document.querySelectorAll("[data-sort]")) button.onclick = () => sortBy(button);
  $("search").oninput = $("status").onchange = () => {
    view.limit = PAGE;
    readMembers();
  };
  $("members-more").onclick = () => {
    view.limit = Math.min(view.limit + PAGE, 1000);
    readMembers();
  };
  on("pipeline", show);
}
