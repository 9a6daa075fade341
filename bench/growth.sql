-- Fills billing-service's empty tables with made-up users, one subscription each, and handled events.
-- Ids are hashes: like Stripe's they arrive in no order, so indexes are as random as in real life.
-- The first placeholder of each statement is a count; statements are separated by lines of dashes.
INSERT INTO users_user (id, username, email, is_active, is_staff, is_superuser, auth_epoch, version)
SELECT md5('user' || n)::uuid, 'grown' || n, '', true, false, false, 1, 1
FROM generate_series(1, %(subscriptions)s) AS n
----
INSERT INTO subscriptions_customer (user_id, stripe_customer_id, sync_version, created_at)
SELECT md5('user' || n)::uuid, 'cus_' || md5('customer' || n), 1, now()
FROM generate_series(1, %(subscriptions)s) AS n
----
INSERT INTO subscriptions_subscription
    (customer_id, user_id, stripe_subscription_id, stripe_item_id, product_id, price_reference,
     unit_amount, currency, interval, interval_count, stripe_status, is_current,
     current_period_start, current_period_end, cancel_at_period_end, access_until,
     latest_invoice_id, latest_invoice_status, hosted_invoice_url, payment_method_reference,
     purchased_at, synced_at)
SELECT c.id, c.user_id, 'sub_' || md5(c.stripe_customer_id), 'si_' || md5(c.stripe_customer_id),
    p.id, p.price_reference, 1000, 'usd', 'month', 1, 'active', true,
    now() - interval '3 days', now() + interval '27 days', false, now() + interval '27 days',
    'in_' || md5(c.stripe_customer_id), 'paid', '', 'pm_' || md5(c.stripe_customer_id),
    now() - interval '100 days', now()
FROM subscriptions_customer AS c, (SELECT * FROM subscriptions_subscriptionproduct LIMIT 1) AS p
----
INSERT INTO subscriptions_subscriptionitem
    (subscription_id, stripe_item_id, product_id, price_reference, quantity, unit_amount_decimal,
     currency, interval, interval_count, current_period_end, discounts)
SELECT id, stripe_item_id, product_id, price_reference, 1, unit_amount, currency, interval,
    interval_count, current_period_end, '[]'
FROM subscriptions_subscription
----
INSERT INTO webhooks_webhookevent
    (id, type, subject, object_id, request_id, idempotency_key, state,
     stripe_created_at, received_at, handled_at, failures, last_error)
SELECT 'evt_' || md5('event' || n), 'customer.subscription.updated',
    'cus_' || md5('customer' || n %% %(subscriptions)s + 1),
    'sub_' || md5('object' || n), 'req_' || n, '', 'handled',
    received_at, received_at, received_at, 0, ''
FROM generate_series(1, %(events)s) AS n,
    LATERAL (SELECT now() - (%(events)s - n) * interval '0.25 seconds' AS received_at) AS moment
ORDER BY 1
