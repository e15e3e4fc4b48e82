// What the page knows, and who wants to hear of it.
import { get, soon } from "./api.js";

export const store = {
  state: null, // /_sim/state
  pipeline: { attached: false, events: {}, mismatches: [] },
  people: new Map(), // customer id → name, as far as they were listed
};

const listeners = { state: new Set(), pipeline: new Set() };
export const on = (what, listener) => listeners[what].add(listener);
const tell = (what) => listeners[what].forEach((listener) => listener());

export const readState = soon(async () => {
  try {
    store.state = await get("/_sim/state");
    document.getElementById("gone").hidden = true;
  } catch (error) {
    document.getElementById("gone").hidden = false;
    throw error;
  }
  tell("state");
}, 150);

export const readPipeline = soon(async () => {
  let found = { attached: false, events: {}, mismatches: [] };
  try {
    // A source may leave `attached` out: it answers, so it is there.
    found = { ...found, attached: true, ...(await get("/_sim/pipeline")) };
  } catch (error) {
    // Whoever answers with an error is there. A simulator that does not answer at all says so elsewhere.
    if (!store.pipeline.attached && error instanceof TypeError) return;
    found = { ...store.pipeline, attached: true, error: error.message };
  }
  store.pipeline = found;
  tell("pipeline");
}, 400);

// What the pipeline did with a delivery: it knows it by its own receipt, or by the event's id.
export const fate = (delivery) =>
  store.pipeline.events[delivery.receipt] ?? store.pipeline.events[delivery.delivery_id] ?? null;

export const differences = (customerId) =>
  store.pipeline.mismatches.filter((one) => String(one.member).split(":").pop() === customerId);

export const nameOf = (customerId) => store.people.get(customerId) ?? customerId;
export const fullName = (member) => `${member.first_name} ${member.last_name}`.trim() || member.email;
