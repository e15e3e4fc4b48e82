// The console: shows the state, listens to the event stream, and runs commands.
import { h, many, post, soon } from "./api.js";
import * as deliveries from "./deliveries.js";
import * as drawer from "./drawer.js";
import * as members from "./members.js";
import { nameOf, on, readPipeline, readState, store } from "./store.js";
import { span } from "./way.js";
import { EVENTS, eventWords, tierWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const toasts = $("toasts");

const onChange = () => {
  readState();
  members.readMembers();
  drawer.refresh();
};

// A modal drawer covers the page: messages must be visible above it, and after it closes.
function raise() {
  const place = $("drawer").open ? $("drawer") : document.body;
  if (toasts.parentElement !== place) place.append(toasts);
}

function toast(said, tone = "good") {
  const node = h(`p.toast.${tone}`, {}, said);
  toasts.append(node);
  while (toasts.children.length > 3) toasts.firstElementChild.remove();
  raise();
  setTimeout(() => node.remove(), tone === "bad" ? 9000 : 5000);
}

async function act(label, path, body) {
  try {
    const done = await post(`/_sim/${path}`, body);
    const member = done.customer_id ? nameOf(done.customer_id) : "";
    const topics = (done.events ?? []).map((one) => eventWords(one.topic ?? one.v1)).join(", ");
    toast(h("span", {}, h("strong", {}, label), member ? [" · ", h("bdi", {}, member)] : "", topics ? `: ${topics}` : ": no event yet"));
    if (body.customer_id && $("drawer").open) drawer.openMember(body.customer_id).catch(() => {});
    return done;
  } catch (error) {
    toast(`${label}: ${error.message}`, "bad");
    return null;
  } finally {
    onChange();
  }
}

async function turn(button) {
  const buttons = [...document.querySelectorAll("[data-span]")];
  const was = button.textContent;
  buttons.forEach((one) => Object.assign(one, { disabled: true }).setAttribute("data-busy", "yes"));
  button.textContent = "advancing …";
  try {
    const done = await post("/_sim/advance", span(button.dataset.span));
    toast(`${was.replace("+ ", "")} later: ${many(done.caused, "event")}`);
  } catch (error) {
    toast(error.message, "bad");
  } finally {
    button.textContent = was;
    buttons.forEach((one) => Object.assign(one, { disabled: false }).removeAttribute("data-busy"));
    button.focus();
    onChange();
  }
}

function submit(id, does) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    does();
  });
}

function showTiers() {
  if ($("join-tier").children.length) return;
  const { tiers, shop } = store.state;
  const open = tiers.filter((tier) => tier.kind !== "SPEND");
  $("join-tier").append(...open.map((tier) => h("option", { value: tier.id, selected: tier.name === "Gold" }, tierWords(tier, shop.currency))));
}

function showFaults() {
  const names = Object.keys(store.state.faults);
  const own = $("faults-set").querySelector("[value=own]");
  const set = !names.length ? "none" : names.includes("drop") ? "all" : names.includes("duplicate") ? "default" : "own";
  own.hidden = set !== "own";
  if (document.activeElement !== $("faults-set")) $("faults-set").value = set;
  $("faults-set").title = names.map((name) => `${name.replaceAll("_", " ")} ${store.state.faults[name] * 100} %`).join(", ");
}

document.addEventListener("click", (event) => {
  const found = event.target.closest("[data-member], [data-delivery]");
  if (!found || event.target.closest(".actions")) return;
  const { member, delivery } = found.dataset;
  (member ? drawer.openMember(member) : drawer.openDelivery(delivery)).catch((error) => toast(error.message, "bad"));
});
for (const button of document.querySelectorAll("[data-span]")) button.onclick = () => turn(button);
submit("join", () => act("Join", "join", { tier_id: $("join-tier").value }));
submit("trigger", () => act("Trigger", `trigger/${$("trigger-topic").value}`, {}));
submit("invite", async () => {
  const count = Number($("invite-count").value);
  if (await act("Invited", "populate", { members: count, over_days: 3 })) toast(`${many(count, "customer")} will join: advance time`);
});
submit("faults", () => {});
$("faults-set").onchange = () => act("Injected faults", "faults", { set: $("faults-set").value });
$("trigger-topic").append(...Object.entries(EVENTS).map(([topic, words]) => h("option", { value: topic, title: topic }, words)));

on("state", showTiers);
on("state", showFaults);
members.start();
deliveries.start();
drawer.start(act);
$("drawer").addEventListener("close", raise);
deliveries.listen(soon(async () => onChange(), 100));
onChange();
readPipeline();
// The pipeline continues after a delivery; it is not asked while the page is hidden.
setInterval(() => store.pipeline.attached && !document.hidden && readPipeline(), 3000);
