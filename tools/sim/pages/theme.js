// The shop's theme: a membership page of its own, with a slide-out cart, on top of window.inveterate.
import { get, h, money, post } from "./api.js";
import { eventWords, trialWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const WORDS = {
  SIGNUP_STORE_CREDITS: (one) => `${one.creditAmount} credits when you join`,
  SCHEDULED_STORE_CREDITS: (one) => `${one.creditAmount} credits every ${one.frequency} days`,
  CREDITS_FOR_ORDERS: (one) => `${one.rewardValue} % of every order back in credits`,
  FREE_SHIPPING: (one, currency) => `Free shipping from ${money(one.minimumSubtotal, currency)}`,
  ANNIVERSARY_CREDITS: (one) => `${one.creditAmount} credits on your anniversary`,
};

// It loads late: poll up to 100 times, then give up, as the sample of the vendor does.
async function ready() {
  for (let tries = 0; tries < 100; tries += 1) {
    if (window.inveterate) return window.inveterate;
    await new Promise((done) => setTimeout(done, tries < 10 ? 50 : 500));
  }
  throw new Error("window.inveterate was not loaded");
}

function say(text, tone = "good") {
  Object.assign($("said"), { textContent: text, hidden: !text, className: `said ${tone}` });
}

function card(product, customer) {
  const { tier } = product;
  const mine = customer?.isMember && customer.tierId === tier.id;
  const price = product.price ? money(product.price, tier.currency, true) : "Free";
  const per = tier.interval ? `a ${tier.interval}` : tier.kind === "LIFETIME" ? "once, for life" : "";
  const spend = tier.kind === "SPEND";
  const perks = tier.benefits.filter((one) => one.enabled && WORDS[one.type]).map((one) => h("li", {}, WORDS[one.type](one, tier.currency)));
  const label = mine ? "Your membership" : spend ? "Reached by spending" : tier.trialDays ? `Try ${tier.name}` : `Join ${tier.name}`;
  return h(`article.tier.rank-${tier.name.toLowerCase()}`, { "aria-label": `${tier.name} membership` },
    h("h2", {}, tier.name),
    h("p.price", {}, spend ? money(tier.threshold, tier.currency) : price, h("span", {}, spend ? " spent in all" : per ? ` ${per}` : "")),
    h("p.trial", {}, tier.trialDays ? trialWords(tier.trialDays) : ""),
    h("ul", {}, perks),
    h("button.button.first", {
      "data-inveterate-tier": tier.id, "data-inveterate-gift": $("gift").checked && !spend ? product.gift.id : null,
      disabled: spend || Boolean(customer?.isMember),
    }, label));
}

function showVisitor(customer) {
  if (!customer) return $("visitor").replaceChildren();
  const balance = customer.metafields.inveterate.balance;
  const text = customer.isMember ? `, ${customer.tierName} member with ${balance} credits ` : " ";
  $("visitor").replaceChildren("Hello ", h("bdi", {}, customer.firstName), text,
    h("button.link", { onclick: async () => { await post("/shop/leave"); location.assign("/shop"); } }, "sign out"));
}

async function showCart() {
  const cart = await get("/cart.js");
  $("cart-count").textContent = cart.item_count;
  $("lines").replaceChildren(...cart.items.map((line) => h("li", {}, h("span", {}, line.title,
    line.selling_plan ? h("small", {}, `selling plan ${line.selling_plan}`) : null),
    h("strong", {}, line.price ? money(line.price, cart.currency, true) : "free"))));
  $("total").textContent = cart.item_count ? `Total ${money(cart.total_price, cart.currency, true)}` : "There is nothing in it yet.";
  $("checkout").hidden = !cart.item_count;
  $("refused").hidden = true;
  return cart;
}

function thank(done) {
  const topics = done.topics.map((topic) => h("li", {}, `${eventWords(topic)} `, h("code", {}, topic)));
  $("total").textContent = "";
  $("thanks").replaceChildren(h("h3", {}, "You are in."), h("p", {}, `Customer ${done.customer_id}. The shop's integrations receive:`),
    h("ul", {}, topics), h("a.button.first", { href: "/console" }, "See it in the console"));
  $("thanks").hidden = false;
}

async function checkout(event) {
  event.preventDefault();
  const form = $("checkout");
  try {
    const done = await post("/shop/checkout", Object.fromEntries(new FormData(form)));
    form.reset();
    // Update the page before the thanks; show the thanks even if the update fails.
    try {
      await showCart();
      await showPage(await refreshed());
    } finally {
      thank(done);
    }
  } catch (error) {
    Object.assign($("refused"), { textContent: error.message, hidden: false });
  }
}

// An open page reads the customer again; in a shop the next page load does that.
async function refreshed() {
  return Object.assign(window.inveterate, await get("/shop/inveterate.json"));
}

async function showPage({ properties, membershipProducts }) {
  showVisitor(properties.customer);
  $("tiers").replaceChildren(...membershipProducts.map((product) => card(product, properties.customer)));
  $("tiers").setAttribute("aria-busy", "false");
}

const slide = () => window.inveterate.landing.updateLPSettings({ addToCartRedirect: !$("slide").checked });
const remembered = () => sessionStorage.getItem("slide");

$("slide").checked = remembered() !== "no";
$("open-cart").onclick = async () => {
  $("thanks").hidden = true;
  await showCart();
  $("cart").showModal();
};
$("close-cart").onclick = () => $("cart").close();
$("cart").addEventListener("click", (event) => event.target === $("cart") && $("cart").close());
$("empty").onclick = async () => { await post("/cart/clear.js"); await showCart(); };
$("checkout").addEventListener("submit", checkout);
document.addEventListener("inveterate:refused", (event) => say(event.detail.message, "bad"));
document.addEventListener("inveterate:added", async () => {
  say("");
  if ($("slide").checked) $("open-cart").click();
});

await showCart();
try {
  const inveterate = await ready();
  await showPage(inveterate);
  slide();
  $("slide").onchange = () => { sessionStorage.setItem("slide", $("slide").checked ? "yes" : "no"); slide(); };
  $("gift").onchange = () => showPage(inveterate);
  if (new URLSearchParams(location.search).has("cart-updated")) say("It is in your cart.");
} catch (error) {
  say(`Memberships cannot be shown now: ${error.message}`, "bad");
}
