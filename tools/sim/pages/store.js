// The state of the page, and the listeners for its changes.
import { get, soon } from "./api.js";

export const store = {
  state: null, // /_sim/state
  pipeline: { attached: null, events: {}, mismatches: [], members: [] }, // attached: null until the first answer
  compared: new Set(), // customer ids whose contact was compared with the expected state
  people: new Map(), // customer id → name, of the members listed so far
};

const listeners = { state: new Set(), pipeline: new Set() };
export const on = (what, listener) => listeners[what].add(listener);
const notify = (what) => listeners[what].forEach((listener) => listener());

export const readState = soon(async () => {
  try {
    store.state = await get("/_sim/state");
    document.getElementById("gone").hidden = true;
  } catch (error) {
    document.getElementById("gone").hidden = false;
    throw error;
  }
  notify("state");
}, 150);

export const readPipeline = soon(async () => {
  let found = { attached: false, events: {}, mismatches: [], members: [] };
  try {
    // The answer may omit `attached`: a pipeline that answers is attached.
    found = { ...found, attached: true, ...(await get("/_sim/pipeline")) };
  } catch (error) {
    // A pipeline that answers with an error is attached. If the simulator does not answer, the page says so elsewhere.
    if (!store.pipeline.attached && error instanceof TypeError) return;
    found = { ...store.pipeline, attached: true, error: error.message };
  }
  store.pipeline = found;
  store.compared = new Set(found.compared === false || found.error ? [] : found.members);
  notify("pipeline");
}, 400);

// The result of the pipeline for a delivery, found by the receipt or by the id of the event.
export const fate = (delivery) =>
  store.pipeline.events[delivery.receipt] ?? store.pipeline.events[delivery.delivery_id] ?? null;

export const differences = (customerId) =>
  store.pipeline.mismatches.filter((one) => String(one.member).split(":").pop() === customerId);

export const isCompared = (customerId) => store.compared.has(customerId);

// The names of members that no list has shown yet, as of those in deliveries: read at most once for each number of members.
let named = -1;
const readPeople = soon(async () => {
  const members = store.state?.members ?? 0;
  if (named === members) return;
  named = members;
  for (const one of (await get("/_sim/members", { limit: 1000 })).members) store.people.set(one.customer_id, fullName(one));
  notify("state");
}, 300);

export function nameOf(customerId) {
  const known = store.people.get(customerId);
  if (known === undefined && customerId) readPeople();
  return known ?? customerId;
}

// An erased member has neither name nor address: the id is all that is left.
export const fullName = (member) => `${member.first_name} ${member.last_name}`.trim() || member.email || member.customer_id;
