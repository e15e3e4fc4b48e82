// What a shop calls an event, a tier and a reason. The API's own names stand beside these words, never in their place.
import { money } from "./api.js";

export const EVENTS = {
  "customer.joined.paid_tier": "Joined a paid tier",
  "customer.joined.free_tier": "Joined a free tier",
  "customer.joined.free_trial": "Began a free trial",
  "customer.joined.lifetime_tier": "Joined for life",
  "customer.changed_tier": "Changed the tier",
  "customer.updated": "Customer details changed",
  "customer.ordered": "Placed an order",
  "customer.payment_succeeded": "Payment received",
  "customer.payment_failed": "Payment failed for good",
  "customer_billing.attempt.failed": "A payment attempt failed",
  "customer.payment_methods.updated": "Payment method changed",
  "customer.credits.updated": "Credits changed",
  "customer.credits.expired": "Credits expired",
  "customer.cancelled": "Membership cancelled",
  "customer.pending_cancellation": "Is going to cancel",
};

export const eventWords = (topic) => EVENTS[topic] ?? topic;

export const trialWords = (days) => `${days}-day free trial`;

// "Silver, $9.99 a month, 14-day free trial"
export function tierWords(tier, currency) {
  const every = tier.months === 12 ? " a year" : tier.months === 1 ? " a month" : tier.months ? ` every ${tier.months} months` : " once, for life";
  const price = tier.fee ? `${money(tier.fee, currency)}${every}` : "free";
  return [tier.name, price, tier.trial_days ? trialWords(tier.trial_days) : ""].filter(Boolean).join(", ");
}

const FIELDS = {
  tier_id: "Tier, by its id", tier_name: "Tier", previous_tier_name: "Tier before", tier_type: "Kind of tier",
  fee_amount: "Fee", fee_currency: "Currency of the fee", billing_interval: "How often it is billed", next_payment_on: "Next payment",
  credit_balance: "Credits", credits_earned_total: "Credits earned in all", last_credit_delta: "Last change of credits", last_credit_reason: "Why credits changed",
  credits_expiring_amount: "Credits that expire next", credits_expiring_at: "Credits expire on", last_expired_amount: "Credits that expired last",
  last_order_at: "Last purchase", referrals_count: "Referrals", revenue: "Spent in all", rejoin_count: "Times rejoined",
  pending_cancel_at: "Leaves on", cancel_type: "Kind of cancellation", cancel_reason: "Why cancelled", last_decline_code: "Why the payment failed",
};

// What a shop calls a field of the CRM; one without words of its own is its name, written as words: "Recovered at".
export function fieldWords(name) {
  const text = name.replaceAll("_", " ");
  return FIELDS[name] ?? text.charAt(0).toUpperCase() + text.slice(1);
}

const REASONS = {
  SIGNUP: "For joining",
  RECURRING: "Regular credits",
  ANNIVERSARY: "For the anniversary",
  EARNED_FROM_PURCHASE: "Earned with an order",
  MANUAL: "Given or taken by hand",
};

// Why credits changed; a reason without words of its own is its name, written as words.
export function reasonWords(name) {
  const text = String(name ?? "").replaceAll("_", " ").toLowerCase();
  return REASONS[name] ?? text.charAt(0).toUpperCase() + text.slice(1);
}
