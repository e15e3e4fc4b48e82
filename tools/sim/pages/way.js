// The top of the console: the virtual time, and the number of events at each step of their path.
import { h, keep, label, many } from "./api.js";
import { nameOf, on, store } from "./store.js";
import { fieldWords } from "./words.js";

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC", weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit",
});
const DAY = 86_400_000;
const $ = (id) => document.getElementById(id);

export function span(name) {
  if (name === "day") return { days: 1 };
  if (name === "three") return { days: 3 };
  const now = new Date(store.state.now);
  return { days: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 0)).getUTCDate() };
}

function step(name, figure, detail, tone = "") {
  const node = $("way").querySelector(`[data-step="${name}"]`);
  node.className = tone;
  node.querySelector(".figure").textContent = figure;
  node.querySelector(".detail").textContent = detail;
}

function showClock() {
  const { now, latest, shop } = store.state;
  $("now").textContent = CLOCK.format(new Date(now));
  $("now").dateTime = now;
  $("shop-name").textContent = `${shop.name} (${shop.domain})`;
  const left = Math.floor((new Date(latest) - new Date(now)) / DAY);
  $("room").textContent = `Virtual time: it stands still until you advance it, ${many(left, "day")} until today`;
  for (const button of document.querySelectorAll("[data-span]")) {
    if (!button.dataset.busy) button.disabled = span(button.dataset.span).days > left;
  }
}

function showState() {
  showClock();
  const { counts, open, members, statuses, subscriptions, total_events: events } = store.state;
  const count = (name) => counts[name] ?? 0;
  const leaving = statuses.PENDING_CANCELLATION ?? 0;
  step("happens", many(events, "event"), `${many(members, "member")}, ${statuses.ACTIVE ?? 0} active${leaving ? `, ${leaving} leaving` : ""}`);
  if (subscriptions.length) step("sent", many(count("sent"), "request"), `${many(subscriptions.length, "subscription")}, ${many(count("retries"), "retry", "retries")}${open ? `, ${open} pending` : ""}`);
  else step("sent", "no subscription", "subscribe a callback URL at the API to get webhooks", "off");
  // What the fault `drop` never sends is no failure of the receiver.
  const lost = count("failed");
  const dropped = count("dropped") ? `, ${count("dropped").toLocaleString("en")} not sent on purpose` : "";
  step("accepted", `${count("delivered").toLocaleString("en")} accepted`, `${lost || "none"} given up${dropped}`, lost ? "bad" : "");
  showPipeline();
}

function showPipeline() {
  const { attached, events, mismatches, compared, error } = store.pipeline;
  const members = store.compared.size;
  $("wrong").hidden = !mismatches.length;
  $("wrong-title").textContent = `The CRM differs from the expected state in ${many(mismatches.length, "field")}`;
  keep($("wrong-rows"), mismatches, (one) => `${one.member}/${one.field}`, wrongRow);
  if (attached === null) return;
  if (!attached) {
    step("decided", "no pipeline", "none is attached here", "off");
    step("mirrored", "no pipeline", "none is attached here", "off");
    return;
  }
  const all = Object.values(events);
  const alerts = all.reduce((sum, one) => sum + (one.alerts?.length ?? 0), 0);
  const synced = all.filter((one) => one.crm && !String(one.crm).startsWith("no contact")).length;
  step("decided", many(alerts, "alert"), error ? `the pipeline does not answer: ${error}` : `${many(all.length, "event")} decided`, error ? "bad" : "");
  if (mismatches.length) step("mirrored", many(mismatches.length, "difference"), "listed below, in red", "bad");
  else if (error) step("mirrored", "not known", "nothing is compared while the pipeline does not answer", "off");
  else if (compared === false) step("mirrored", "in progress", `compared when nothing is in flight; ${many(synced, "event")} written so far`, "off");
  else if (!members) step("mirrored", "nothing to compare", "no member has an event yet", "off");
  else step("mirrored", "no difference", `${many(members, "member")} compared, ${many(synced, "event")} written`, "good");
}

function wrongRow(one) {
  const id = String(one.member).split(":").pop();
  const said = (value) => (value === null || value === undefined ? "nothing" : String(value));
  return h("tr", {},
    h("td", {}, h("button.link", { "data-member": id }, h("bdi", {}, nameOf(id)))),
    h("td", {}, fieldWords(one.field), h("p.soft.mono", {}, one.field)),
    h("td.mono", {}, label("Expected"), said(one.truth)),
    h("td.mono.bad", {}, label("CRM"), said(one.mirror)));
}

on("state", showState);
on("pipeline", () => store.state && showPipeline());
