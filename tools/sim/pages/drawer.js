// The drawer: all details of one member or one delivery, and the commands for that member.
import { day, get, h, moment, soon } from "./api.js";
import { fateOf, pill } from "./deliveries.js";
import { badge, tierName } from "./members.js";
import { eventWords, fieldWords, reasonWords, tierWords } from "./words.js";
import { differences, fullName, nameOf, store } from "./store.js";

const drawer = document.getElementById("drawer");
const inside = document.getElementById("drawer-body");
let open = null; // customer id
let act = async () => {};

export const start = (does) => {
  act = does;
  drawer.addEventListener("click", (event) => event.target === drawer && drawer.close());
  drawer.addEventListener("close", () => (open = null));
};

export async function openMember(id, { unless = () => false } = {}) {
  const again = open === id && drawer.open;
  const member = await get(`/_sim/members/${encodeURIComponent(id)}`);
  const { deliveries } = await get("/_sim/deliveries", { customer_id: id, limit: 8 });
  // The drawer was closed meanwhile, or shows something else: do not replace that.
  if (again && (open !== id || !drawer.open || unless())) return;
  open = id;
  const place = drawer.scrollTop;
  const held = again ? document.activeElement?.dataset?.act : null;
  const typed = new Map(again ? fields().map((one) => [one.ariaLabel, one.value]) : []);
  inside.replaceChildren(...memberParts(member, deliveries));
  for (const one of fields()) if (typed.has(one.ariaLabel)) one.value = typed.get(one.ariaLabel);
  if (!drawer.open) drawer.showModal();
  drawer.scrollTop = again ? place : 0;
  if (held) drawer.querySelector(`[data-act="${held}"]`)?.focus();
}

const fields = () => [...inside.querySelectorAll("input, select")];
const choosing = () => drawer.querySelector("select:focus, input:focus");

export const refresh = soon(async () => {
  // Not while the user types or chooses in it, nor if that began during the request.
  if (open && !choosing()) await openMember(open, { unless: choosing });
}, 500);

export async function openDelivery(id) {
  const delivery = await get(`/_sim/deliveries/${id}`);
  open = null;
  inside.replaceChildren(
    head(eventWords(delivery.topic), [h("span.mono", {}, delivery.topic), ", delivery ", String(delivery.id), " to ", delivery.subscriber, " at ", delivery.host]),
    h("div.facts", {},
      fact("Member", h("button.link", { "data-member": delivery.customer_id }, h("bdi", {}, nameOf(delivery.customer_id)))),
      fact("Happened", moment(delivery.at)),
      fact("State", pill(delivery)),
      fact("Relay", fateOf(delivery)),
      fact("Event id", h("span.mono", {}, delivery.delivery_id ?? "none in this topic")),
      fact("Receipt", h("span.mono", {}, delivery.receipt ?? "–"))),
    part("Attempts", table(["", "Status", "Latency"], delivery.attempts.map((one, number) =>
      [String(number + 1), one.status ? String(one.status) : one.error, `${one.ms} ms`]))),
    part("What was sent", h("pre", { tabindex: "0" }, JSON.stringify(delivery.payload, null, 2))));
  if (!drawer.open) drawer.showModal();
  drawer.scrollTop = 0;
}

function head(title, below) {
  return h("header.drawer-head", {},
    h("div", {}, h("h2", { id: "drawer-title" }, h("bdi", {}, title)), h("p.soft", {}, below)),
    h("button.button", { "aria-label": "Close", onclick: () => drawer.close() }, "✕"));
}

const fact = (name, ...value) => h("div", {}, h("p.soft", {}, name), h("div", {}, ...value));
const part = (title, ...content) => h("section.part", {}, h("h3", {}, title), ...content);

function table(heads, rows, empty = "Nothing.", style = "") {
  if (!rows.length) return h("p.soft", {}, empty);
  return h("div.scroll.free", {}, h(`table${style}`, {},
    h("thead", {}, h("tr", {}, heads.map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)))))));
}

const said = (value) =>
  value === null || value === undefined ? h("span.soft", {}, "nothing") : h("bdi", {}, typeof value === "object" ? JSON.stringify(value) : String(value));

function memberParts(member, deliveries) {
  const [tone, status] = badge(member);
  const wrong = new Map(differences(member.customer_id).map((one) => [one.field, one.mirror]));
  const { fields, unheard } = member.expected;
  const rows = Object.entries(fields).map(([name, value]) => [
    [fieldWords(name), h("p.soft.mono", {}, name)], said(value),
    wrong.has(name) ? h("span.bad", {}, "the CRM has ", said(wrong.get(name))) : unheard.includes(name) ? h("span.warn", {}, "not delivered") : ""]);
  return [
    head(fullName(member), [h("bdi", {}, member.email), h("span.mono", {}, ` ${member.customer_id}`)]),
    h("div.facts", {},
      fact("Tier", tierName(member)),
      fact("Status", h(`span.pill.${tone}`, {}, status)),
      fact("Credits", member.balance.toFixed(2)),
      fact(member.cancel_at ? "Ends" : "Next payment", day(member.cancel_at ?? member.due_at)),
      fact("Joined", day(member.joined_at))),
    actions(member),
    part("Shopify customer", metafields(member),
      h("p.tags", { "aria-label": "Tags" }, member.tags.map((tag) => h("span.pill.off", {}, tag)))),
    part("Last deliveries", table(["Event", "Delivery", "Relay"], deliveries.map((one) =>
      [[h("button.link", { "data-delivery": one.id }, eventWords(one.topic)), h("p.soft.mono", {}, one.topic)], h("span.how", {}, pill(one)), h("span.fate", {}, fateOf(one))]),
      "None: this member has no event since the subscription.", ".cards")),
    part("Credit ledger", table(["When", "Amount", "Balance", "Reason"], member.ledger.toReversed().map((one) =>
      [moment(one.createdAt), `${one.amount > 0 ? "+" : ""}${one.amount.toFixed(2)}`, one.newBalance.toFixed(2), reasonWords(one.reason)]), "No credits yet.")),
    part("Expected in the CRM", table(["Field", "Expected", ""], rows, "This member has no event yet.")),
    h("details.part", {}, h("summary", {}, "The member record of the API"),
      table(["Field", "Value"], Object.entries(member.record).map(([name, value]) => [h("span.mono", {}, name), said(value)]))),
  ];
}

function metafields(member) {
  return h("dl.metafields", {}, Object.entries(member.metafields).map(([name, value]) =>
    h("div", {}, h("dt.mono", {}, `inveterate.${name}`), h("dd", {}, said(value)))));
}

function actions(member) {
  const id = member.customer_id;
  const { tiers, shop } = store.state;
  const tier = tiers.find((one) => one.id === member.tier_id);
  const isMember = member.status === "ACTIVE" || member.status === "PENDING_CANCELLATION";
  const billed = isMember && tier?.kind === "PAID";
  const button = (label, path, body, when, grave) =>
    h(`button.button${grave ? ".grave" : ""}`, { disabled: !when, "data-act": label, onclick: () => act(label, path, { customer_id: id, ...body }) }, label);
  const choose = h("select.field", { "aria-label": "Tier" }, tiers.filter((one) => one.id !== member.tier_id && (isMember || one.kind !== "SPEND"))
    .map((one) => h("option", { value: one.id }, tierWords(one, shop.currency))));
  const amount = h("input.field.short", { type: "number", step: "0.01", value: "5", "aria-label": "Credits" });
  return h("div.actions", { role: "group", "aria-label": `Commands for ${fullName(member)}` },
    button("Order", "order", {}, true),
    button("Fail payment", "fail_payment", {}, billed && !member.on_trial, true),
    button("New card", "renew_card", {}, billed),
    button("Redeem credits", "redeem", {}, member.balance > 0),
    member.cancel_requested ? button("Confirm cancellation", "confirm", {}, true, true) : null,
    button("Cancel now", "cancel", { policy: "immediate" }, isMember, true),
    button("Cancel at cycle end", "cancel", { policy: "end_of_cycle" }, member.status === "ACTIVE", true),
    member.status === "PENDING_CANCELLATION" ? button("Reactivate", "reactivate", {}, true) : null,
    h("span.pair", {}, amount, h("button.button", { "data-act": "grant", onclick: () => act("Grant credits", "grant", { customer_id: id, amount: Number(amount.value) }) }, "Grant credits")),
    h("span.pair", {}, choose, h("button.button", { "data-act": "tier", onclick: () => act(isMember ? "Change tier" : "Join", isMember ? "change_tier" : "join", { customer_id: id, tier_id: choose.value }) }, isMember ? "Change tier" : "Join again")));
}
