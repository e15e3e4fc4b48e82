// Requests to the simulator, and elements: the name of a member never becomes markup.

export async function get(path, query = {}) {
  return answer(await fetch(`${path}?${new URLSearchParams(query)}`));
}

export async function post(path, body = {}) {
  return answer(
    await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
  );
}

async function answer(reply) {
  const content = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(content.error || content.description || content.message || `answered ${reply.status}`);
  return content;
}

// h("td.mono", { title: "…", onclick }, "text", node, …)
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// The heading of a cell, shown where a narrow window turns rows into cards.
export const label = (text) => h("span.label", {}, `${text} `);

// Show `items` as children of `parent`, touching only those that changed: focus and reading place stay.
export function keep(parent, items, key, make) {
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const first = !parent.dataset.kept;
  parent.dataset.kept = "yes";
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const said = JSON.stringify(item);
    let node = known.get(name);
    known.delete(name);
    if (!node || node.said !== said) {
      const made = make(item);
      made.dataset.key = name;
      made.said = said;
      if (!first) made.classList.add(node ? "changed" : "new");
      if (node) {
        const focused = node.contains(document.activeElement);
        if (place === node) place = made;
        node.replaceWith(made);
        if (focused) made.querySelector("button, a")?.focus();
      }
      node = made;
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const gone of known.values()) gone.remove();
}

// Return a function that runs `task` soon, once for many calls, and never twice at a time.
export function soon(task, wait) {
  let timer = null;
  let running = false;
  let again = false;
  async function run() {
    timer = null;
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await task();
    } catch {
      // What could not be read now is read the next time; the connection line says if the simulator is gone.
    } finally {
      running = false;
      if (again) {
        again = false;
        call();
      }
    }
  }
  function call() {
    timer ??= setTimeout(run, wait);
  }
  return call;
}

const MOMENT = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
});
const DAY = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });

export const moment = (text) => (text ? MOMENT.format(new Date(text)).replace(",", "") : "–");
export const day = (text) => (text ? DAY.format(new Date(text)) : "–");
export const money = (amount, currency, cents = false) =>
  new Intl.NumberFormat("en", { style: "currency", currency, trailingZeroDisplay: "stripIfInteger" }).format(
    cents ? amount / 100 : amount,
  );
export const many = (count, one, more = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
