// A whole life cycle of a subscription product, as the Node SDK drives it.
// Usage: node lifecycle.mjs FOLDER_OF_THE_SDK PORT; prints one JSON object.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [folder, port] = process.argv.slice(2);
const Stripe = createRequire(`${folder}/`)("stripe");
const stripe = new Stripe("sk_test_node", {
  host: "127.0.0.1",
  port: Number(port),
  protocol: "http",
  telemetry: false,
  maxNetworkRetries: 0,
});

async function refused(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "the call was not refused" });
}

const clock = await stripe.testHelpers.testClocks.create({ frozen_time: 1767225600 });
const product = await stripe.products.create({ name: "Seats", unit_label: "seat" });
const price = (unit_amount, interval) =>
  stripe.prices.create({ product: product.id, currency: "usd", unit_amount, recurring: { interval } });
const basic = await price(1000, "month");
const pro = await price(2500, "month");

const customer = await stripe.customers.create({
  name: "Grace",
  email: "grace@example.com",
  test_clock: clock.id,
  expand: ["tax"],
});
assert.equal(customer.tax.automatic_tax, "unrecognized_location");
const card = await stripe.paymentMethods.attach("pm_card_visa", { customer: customer.id });
await stripe.customers.update(customer.id, {
  description: "",
  invoice_settings: { default_payment_method: card.id },
});

const coupon = await stripe.coupons.create({ percent_off: 50, duration: "once" });
const code = await stripe.promotionCodes.create({
  promotion: { type: "coupon", coupon: coupon.id },
});
const subscription = await stripe.subscriptions.create(
  {
    customer: customer.id,
    items: [{ price: basic.id, quantity: 2 }],
    discounts: [{ promotion_code: code.id }],
    expand: ["latest_invoice.payments.data.payment.payment_intent"],
  },
  { idempotencyKey: `subscribe-${customer.id}` },
);
assert.equal(subscription.status, "active");
assert.equal(subscription.latest_invoice.amount_paid, 1000);
const item = subscription.items.data[0];

const preview = await stripe.invoices.createPreview({
  subscription: subscription.id,
  subscription_details: {
    items: [{ id: item.id, price: pro.id }],
    proration_behavior: "always_invoice",
  },
});
assert.ok(preview.lines.total_count >= 2);
await stripe.subscriptions.update(subscription.id, {
  items: [{ id: item.id, price: pro.id, quantity: 1 }],
  proration_behavior: "always_invoice",
  metadata: { plan: "pro" },
});
await stripe.subscriptions.update(subscription.id, { pause_collection: { behavior: "void" } });
await stripe.subscriptions.update(subscription.id, { pause_collection: "" });
await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
const kept = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: false });
assert.equal(kept.cancel_at, null);

await stripe.invoiceItems.create({ customer: customer.id, amount: 700, currency: "usd" });
const draft = await stripe.invoices.create({
  customer: customer.id,
  pending_invoice_items_behavior: "include",
});
const paid = await stripe.invoices.pay(draft.id);
assert.deepEqual([paid.status, paid.total], ["paid", 700]);

let ticking = await stripe.testHelpers.testClocks.advance(clock.id, {
  frozen_time: 1767225600 + 32 * 86400,
});
for (let tries = 0; ticking.status === "advancing" && tries < 500; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  ticking = await stripe.testHelpers.testClocks.retrieve(clock.id);
}
assert.equal(ticking.status, "ready");
const renewed = await stripe.subscriptions.retrieve(subscription.id, { expand: ["latest_invoice"] });
assert.equal(renewed.latest_invoice.billing_reason, "subscription_cycle");

const payment = await stripe.paymentIntents.create({
  amount: 2000,
  currency: "usd",
  customer: customer.id,
  payment_method: card.id,
  confirm: true,
  return_url: "https://example.com/return",
});
const refund = await stripe.refunds.create({ payment_intent: payment.id, amount: 500 });
assert.deepEqual([payment.status, refund.status], ["succeeded", "succeeded"]);

const session = await stripe.checkout.sessions.create({
  mode: "subscription",
  customer: customer.id,
  line_items: [{ price: basic.id, quantity: 1 }],
  success_url: "https://example.com/done",
});
assert.equal((await stripe.checkout.sessions.expire(session.id)).status, "expired");
const portal = await stripe.billingPortal.sessions.create({ customer: customer.id });
assert.ok(portal.url.startsWith("http"));

const declined = await refused(() =>
  stripe.paymentMethods.attach("pm_card_visa_chargeDeclined", { customer: customer.id }),
);
const unknown = await refused(() => stripe.customers.create({ emial: "a@example.com" }));
const missing = await refused(() => stripe.customers.retrieve("cus_none"));

let listed = 0;
for await (const _event of stripe.events.list({ limit: 20 })) {
  listed += 1;
  if (listed > 60) break;
}
const found = await stripe.customers.search({ query: "email:'grace@example.com'" });
assert.ok(found.data.length > 0);

const endpoint = await stripe.webhookEndpoints.create({
  url: "http://127.0.0.1:9/hook",
  enabled_events: ["customer.updated"],
});
const payload = JSON.stringify((await stripe.events.list({ limit: 1 })).data[0]);
const header = stripe.webhooks.generateTestHeaderString({ payload, secret: endpoint.secret });
assert.equal(stripe.webhooks.constructEvent(payload, header, endpoint.secret).object, "event");
await stripe.webhookEndpoints.del(endpoint.id);

const ended = await stripe.subscriptions.cancel(subscription.id, { invoice_now: true });
const gone = await stripe.customers.del(customer.id);

console.log(
  JSON.stringify({
    version: Stripe.PACKAGE_VERSION,
    status: ended.status,
    deleted: gone.deleted,
    listed: listed > 20,
    declined: [declined.type, declined.code],
    unknown: [unknown.type, unknown.code, unknown.param],
    missing: [missing.type, missing.statusCode],
  }),
);
