// The app's script in the shop: fills window.inveterate and puts memberships into the cart, as documented.
//
// Documented: properties (ten keys), membershipProducts, landing.updateLPSettings, window.inveterateLPSettings, the items
// of /cart/add.js. Not documented, and this simulator's own: what is inside membershipProducts and properties.customer,
// the data-inveterate-… attributes, and the event inveterate:added. addTierToCart was seen in a public theme.
const DEFAULTS = { addToCartRedirect: true };
const settings = { ...DEFAULTS, ...(window.inveterateLPSettings ?? {}) };

async function addTierToCart(tierId, { gift = null } = {}) {
  const product = window.inveterate.membershipProducts.find((one) => one.tier.id === tierId);
  if (!product) throw new Error(`no membership product for tier ${tierId}`);
  const membership = { id: product.variants[0].id, quantity: 1, properties: { _inveterate_subscription: true } };
  const plan = product.selling_plan_groups[0]?.selling_plans[0];
  if (plan) membership.selling_plan = plan.id;
  const items = [membership];
  if (gift) items.push({ id: Number(gift), quantity: 1, properties: { _inveterate_free_signup_gift: true } });
  const reply = await fetch("/cart/add.js", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ items }),
  });
  const content = await reply.json();
  if (!reply.ok) throw new Error(content.description ?? content.message);
  return content;
}

// 1 add, if it is not there; 2 mark the buttons; 3 reload and 4 say so, unless the theme has a slide-out cart.
async function clicked(button) {
  const { inveterateTier: tierId, inveterateGift: gift } = button.dataset;
  try {
    const cart = await (await fetch("/cart.js")).json();
    if (!cart.items.some((line) => line.tier_id === tierId)) await addTierToCart(tierId, { gift });
  } catch (error) {
    document.dispatchEvent(new CustomEvent("inveterate:refused", { detail: { message: error.message } }));
    return;
  }
  for (const one of document.querySelectorAll(`[data-inveterate-tier="${tierId}"]`)) one.dataset.added = "yes";
  document.dispatchEvent(new CustomEvent("inveterate:added", { detail: { tierId } }));
  if (settings.addToCartRedirect) location.assign("/shop?cart-updated=true");
}

const found = await (await fetch("/shop/inveterate.json")).json();
window.inveterate = {
  ...found,
  landing: {
    updateLPSettings(changes) {
      Object.assign(settings, changes);
    },
  },
  member: { tierSelection: { addTierToCart } },
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-inveterate-tier]");
  if (button && !button.disabled) clicked(button);
});
