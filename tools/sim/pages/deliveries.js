// The list of deliveries: the state of each, and the result of the pipeline.
import { get, h, keep, moment, soon } from "./api.js";
import { eventWords } from "./words.js";
import { fate, nameOf, on, readPipeline, store } from "./store.js";

const MOST = 150;
const $ = (id) => document.getElementById(id);
const known = new Map();

const duration = (ms) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

export function pill(delivery) {
  const tries = delivery.attempts.length;
  const last = delivery.attempts.at(-1);
  const said = last ? last.status || last.error : "";
  const tones = { delivered: "good", retrying: "warn", failed: "bad", dropped: "bad", waiting: "off" };
  const words = { retrying: "retrying", failed: "given up", dropped: "dropped" };
  return [
    h(`span.pill.${tones[delivery.state] ?? "off"}`, {}, words[delivery.state] ?? delivery.state),
    h("span.soft", {}, tries ? `${said}${tries > 1 ? `, ${tries} attempts` : ""}${delivery.ms === null ? "" : `, ${duration(delivery.ms)}`}` : ""),
  ];
}

export function fateOf(delivery) {
  if (!store.pipeline.attached) return [h("span.soft.none", {}, store.pipeline.attached === null ? "…" : "no pipeline attached")];
  const found = fate(delivery);
  if (!found) return [h("span.soft", {}, delivery.state === "delivered" ? "in progress" : "–")];
  const crm = String(found.crm ?? "");
  return [
    h("span.outcome", {}, found.outcome),
    crm ? h(crm.startsWith("no contact") ? "span.pill.off" : "span.pill.good", {}, crm) : null,
    (found.alerts ?? []).map((alert) => h("span.pill.info", {}, typeof alert === "string" ? alert : JSON.stringify(alert))),
  ];
}

const show = soon(async () => {
  const state = $("delivery-state").value;
  const newest = [...known.values()].sort((one, other) => other.id - one.id);
  for (const old of newest.slice(MOST * 2)) known.delete(old.id);
  const rows = newest.filter((one) => !state || one.state === state).slice(0, MOST)
    .map((one) => ({ ...one, name: nameOf(one.customer_id), fate: fate(one), attached: store.pipeline.attached }));
  $("deliveries-empty").hidden = rows.length > 0;
  $("deliveries-empty").textContent = store.state?.subscriptions.length
    ? "Nothing has been sent yet: run a command."
    : "There is no subscription. Subscribe a callback URL at the API to receive the events.";
  keep($("delivery-rows"), rows, (one) => one.id, row);
}, 120);

function row(delivery) {
  return h("tr", { "data-delivery": delivery.id },
    h("td.what", {},
      h("button.link", { "data-delivery": delivery.id }, eventWords(delivery.topic)),
      h("span.soft", {}, h("bdi", {}, delivery.name), ` · ${moment(delivery.at)}`),
      h("span.soft.mono", {}, delivery.topic),
      delivery.faults.map((fault) => h("span.pill.fault", { title: "injected fault" }, fault.replaceAll("_", " ")))),
    h("td.how", {}, pill(delivery)),
    h("td.fate", {}, fateOf(delivery)));
}

export async function readDeliveries() {
  // Read from the server: with a filter, matching deliveries may be older than those in memory.
  const found = await get("/_sim/deliveries", { limit: MOST, state: $("delivery-state").value });
  for (const one of found.deliveries) known.set(one.id, one);
  show();
}

export function forget() {
  known.clear();
  show();
}

// Listen to the event stream; `onChange` is called after each change.
export function listen(onChange) {
  const source = new EventSource("/_sim/stream");
  const live = (said, tone) => Object.assign($("live"), { textContent: said, className: `live ${tone}` });
  source.onopen = () => {
    live("live", "good");
    readDeliveries().catch(() => {});
    onChange();
  };
  source.onerror = () => live("reconnecting", "bad");
  source.addEventListener("delivery", (event) => {
    const delivery = JSON.parse(event.data);
    known.set(delivery.id, delivery);
    show();
    onChange();
    readPipeline();
  });
  source.addEventListener("state", onChange);
}

export function start() {
  $("delivery-state").onchange = () => readDeliveries().catch(() => {});
  on("pipeline", show);
  on("state", show);
}
