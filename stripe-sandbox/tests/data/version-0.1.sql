BEGIN TRANSACTION;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "counters" VALUES('ids',17);
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY, event TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, next_attempt REAL, created REAL NOT NULL);
CREATE TABLE delivery_attempts (
  id INTEGER PRIMARY KEY, delivery INTEGER NOT NULL, at REAL NOT NULL, status INTEGER,
  outcome TEXT NOT NULL, milliseconds INTEGER NOT NULL);
CREATE TABLE due (
  object TEXT NOT NULL, action TEXT NOT NULL, clock TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (object, action)) WITHOUT ROWID;
CREATE TABLE idempotent_results (
  key TEXT PRIMARY KEY, route TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL,
  body TEXT NOT NULL, request_id TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE links (
  kind TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (kind, field, value, seq)) WITHOUT ROWID;
INSERT INTO "links" VALUES('product','active','true',1);
INSERT INTO "links" VALUES('event','_delivered','true',2);
INSERT INTO "links" VALUES('event','data.object.id','prod_old',2);
INSERT INTO "links" VALUES('event','type','product.created',2);
INSERT INTO "links" VALUES('price','active','true',3);
INSERT INTO "links" VALUES('price','currency','usd',3);
INSERT INTO "links" VALUES('price','lookup_key','basic',3);
INSERT INTO "links" VALUES('price','product','prod_old',3);
INSERT INTO "links" VALUES('price','recurring.interval','month',3);
INSERT INTO "links" VALUES('price','type','recurring',3);
INSERT INTO "links" VALUES('event','_delivered','true',4);
INSERT INTO "links" VALUES('event','data.object.id','price_AxvbW0yHPRzCm18tY0M45vPM',4);
INSERT INTO "links" VALUES('event','type','price.created',4);
INSERT INTO "links" VALUES('event','_delivered','true',6);
INSERT INTO "links" VALUES('event','data.object.id','clock_1McZPeawkQCSijWxbQfiXX7L',6);
INSERT INTO "links" VALUES('event','type','test_helpers.test_clock.created',6);
INSERT INTO "links" VALUES('customer','email','ada@example.com',7);
INSERT INTO "links" VALUES('event','_delivered','true',8);
INSERT INTO "links" VALUES('event','data.object.id','cus_CTA4A2d02LXw7o',8);
INSERT INTO "links" VALUES('event','type','customer.created',8);
INSERT INTO "links" VALUES('customer','email','bob@example.com',9);
INSERT INTO "links" VALUES('customer','test_clock','clock_1McZPeawkQCSijWxbQfiXX7L',9);
INSERT INTO "links" VALUES('event','_delivered','true',10);
INSERT INTO "links" VALUES('event','data.object.id','cus_21cfTW0FAQDM5E',10);
INSERT INTO "links" VALUES('event','type','customer.created',10);
INSERT INTO "links" VALUES('event','_delivered','true',12);
INSERT INTO "links" VALUES('event','data.object.id','cus_4D0ZOLtffBUdQG',12);
INSERT INTO "links" VALUES('event','type','customer.created',12);
INSERT INTO "links" VALUES('event','_delivered','true',13);
INSERT INTO "links" VALUES('event','data.object.id','cus_4D0ZOLtffBUdQG',13);
INSERT INTO "links" VALUES('event','type','customer.deleted',13);
CREATE TABLE objects (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  created INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL);
INSERT INTO "objects" VALUES(1,'prod_old','product',1767225600,0,'{"active":true,"created":1767225600,"default_price":null,"description":null,"id":"prod_old","images":[],"livemode":false,"marketing_features":[],"metadata":{},"name":"Basic","object":"product","package_dimensions":null,"shippable":null,"statement_descriptor":null,"tax_code":null,"type":"service","unit_label":null,"updated":1767225600,"url":null}');
INSERT INTO "objects" VALUES(2,'evt_wCLOwUKAY4WDJ0Yfthp5v7Fe','event',1767225600,0,'{"api_version":"2026-10-28.endive","created":1767225600,"data":{"object":{"active":true,"created":1767225600,"default_price":null,"description":null,"id":"prod_old","images":[],"livemode":false,"marketing_features":[],"metadata":{},"name":"Basic","object":"product","package_dimensions":null,"shippable":null,"statement_descriptor":null,"tax_code":null,"type":"service","unit_label":null,"updated":1767225600,"url":null}},"id":"evt_wCLOwUKAY4WDJ0Yfthp5v7Fe","livemode":false,"object":"event","pending_webhooks":0,"request":{"id":"req_aFW5RDhnnq8bTG","idempotency_key":null},"type":"product.created","_delivered":true}');
INSERT INTO "objects" VALUES(3,'price_AxvbW0yHPRzCm18tY0M45vPM','price',1767225600,0,'{"active":true,"billing_scheme":"per_unit","created":1767225600,"currency":"usd","custom_unit_amount":null,"id":"price_AxvbW0yHPRzCm18tY0M45vPM","livemode":false,"lookup_key":"basic","metadata":{},"nickname":null,"object":"price","product":"prod_old","recurring":{"interval":"month","interval_count":1,"meter":null,"trial_period_days":null,"usage_type":"licensed"},"tax_behavior":"unspecified","tiers_mode":null,"transform_quantity":null,"type":"recurring","unit_amount":1000,"unit_amount_decimal":"1000"}');
INSERT INTO "objects" VALUES(4,'evt_GbdBZBkSBXxfDPkLZNH4MMpt','event',1767225600,0,'{"api_version":"2026-10-28.endive","created":1767225600,"data":{"object":{"active":true,"billing_scheme":"per_unit","created":1767225600,"currency":"usd","custom_unit_amount":null,"id":"price_AxvbW0yHPRzCm18tY0M45vPM","livemode":false,"lookup_key":"basic","metadata":{},"nickname":null,"object":"price","product":"prod_old","recurring":{"interval":"month","interval_count":1,"meter":null,"trial_period_days":null,"usage_type":"licensed"},"tax_behavior":"unspecified","tiers_mode":null,"transform_quantity":null,"type":"recurring","unit_amount":1000,"unit_amount_decimal":"1000"}},"id":"evt_GbdBZBkSBXxfDPkLZNH4MMpt","livemode":false,"object":"event","pending_webhooks":0,"request":{"id":"req_Ud8313VadPXCJg","idempotency_key":null},"type":"price.created","_delivered":true}');
INSERT INTO "objects" VALUES(5,'clock_1McZPeawkQCSijWxbQfiXX7L','test_helpers.test_clock',1767225600,0,'{"created":1767225600,"deletes_after":1769817600,"frozen_time":1767225600,"id":"clock_1McZPeawkQCSijWxbQfiXX7L","livemode":false,"name":null,"object":"test_helpers.test_clock","status":"ready","status_details":{},"_now":1767225600}');
INSERT INTO "objects" VALUES(6,'evt_0e97KE6sXbGa7ccpA7o4upPA','event',1767225600,0,'{"api_version":"2026-10-28.endive","created":1767225600,"data":{"object":{"created":1767225600,"deletes_after":1769817600,"frozen_time":1767225600,"id":"clock_1McZPeawkQCSijWxbQfiXX7L","livemode":false,"name":null,"object":"test_helpers.test_clock","status":"ready","status_details":{}}},"id":"evt_0e97KE6sXbGa7ccpA7o4upPA","livemode":false,"object":"event","pending_webhooks":0,"request":{"id":"req_solAVxse3hcSKz","idempotency_key":null},"type":"test_helpers.test_clock.created","_delivered":true}');
INSERT INTO "objects" VALUES(7,'cus_CTA4A2d02LXw7o','customer',1767225600,0,'{"address":null,"balance":0,"created":1767225600,"currency":null,"customer_account":null,"default_source":null,"delinquent":false,"description":null,"discount":null,"email":"ada@example.com","id":"cus_CTA4A2d02LXw7o","invoice_prefix":"IFIHDILD","invoice_settings":{"custom_fields":null,"default_payment_method":null,"footer":null,"rendering_options":null},"livemode":false,"metadata":{"user":"Ada"},"name":"Ada","next_invoice_sequence":1,"object":"customer","phone":null,"preferred_locales":[],"shipping":null,"tax_exempt":"none","test_clock":null}');
INSERT INTO "objects" VALUES(8,'evt_Sr35ADCTFfmZwXOv9pPDq9Mc','event',1767225600,0,'{"api_version":"2026-10-28.endive","created":1767225600,"data":{"object":{"address":null,"balance":0,"created":1767225600,"currency":null,"customer_account":null,"default_source":null,"delinquent":false,"description":null,"discount":null,"email":"ada@example.com","id":"cus_CTA4A2d02LXw7o","invoice_prefix":"IFIHDILD","invoice_settings":{"custom_fields":null,"default_payment_method":null,"footer":null,"rendering_options":null},"livemode":false,"metadata":{"user":"Ada"},"name":"Ada","next_invoice_sequence":1,"object":"customer","phone":null,"preferred_locales":[],"shipping":null,"tax_exempt":"none","test_clock":null}},"id":"evt_Sr35ADCTFfmZwXOv9pPDq9Mc","livemode":false,"object":"event","pending_webhooks":0,"request":{"id":"req_8E6MYge06q1Vnv","idempotency_key":null},"type":"customer.created","_delivered":true}');
INSERT INTO "objects" VALUES(9,'cus_21cfTW0FAQDM5E','customer',1767225600,0,'{"address":null,"balance":0,"created":1767225600,"currency":null,"customer_account":null,"default_source":null,"delinquent":false,"description":null,"discount":null,"email":"bob@example.com","id":"cus_21cfTW0FAQDM5E","invoice_prefix":"IXFGIXJG","invoice_settings":{"custom_fields":null,"default_payment_method":null,"footer":null,"rendering_options":null},"livemode":false,"metadata":{"user":"Bob"},"name":"Bob","next_invoice_sequence":1,"object":"customer","phone":null,"preferred_locales":[],"shipping":null,"tax_exempt":"none","test_clock":"clock_1McZPeawkQCSijWxbQfiXX7L"}');
INSERT INTO "objects" VALUES(10,'evt_Fk9UFo63CBwL3AcGR1gnbf4z','event',1767225600,0,'{"api_version":"2026-10-28.endive","created":1767225600,"data":{"object":{"address":null,"balance":0,"created":1767225600,"currency":null,"customer_account":null,"default_source":null,"delinquent":false,"description":null,"discount":null,"email":"bob@example.com","id":"cus_21cfTW0FAQDM5E","invoice_prefix":"IXFGIXJG","invoice_settings":{"custom_fields":null,"default_payment_method":null,"footer":null,"rendering_options":null},"livemode":false,"metadata":{"user":"Bob"},"name":"Bob","next_invoice_sequence":1,"object":"customer","phone":null,"preferred_locales":[],"shipping":null,"tax_exempt":"none","test_clock":"clock_1McZPeawkQCSijWxbQfiXX7L"}},"id":"evt_Fk9UFo63CBwL3AcGR1gnbf4z","livemode":false,"object":"event","pending_webhooks":0,"request":{"id":"req_fLhFZTb2iYXmgW","idempotency_key":null},"type":"customer.created","_delivered":true}');
INSERT INTO "objects" VALUES(11,'cus_4D0ZOLtffBUdQG','customer',1767225600,1,'{"id": "cus_4D0ZOLtffBUdQG", "object": "customer", "deleted": true}');
INSERT INTO "objects" VALUES(12,'evt_uPbMKaq443kbM8zWymRwSiXL','event',1767225600,0,'{"api_version":"2026-10-28.endive","created":1767225600,"data":{"object":{"address":null,"balance":0,"created":1767225600,"currency":null,"customer_account":null,"default_source":null,"delinquent":false,"description":null,"discount":null,"email":null,"id":"cus_4D0ZOLtffBUdQG","invoice_prefix":"SLF0VQSC","invoice_settings":{"custom_fields":null,"default_payment_method":null,"footer":null,"rendering_options":null},"livemode":false,"metadata":{},"name":"Gone","next_invoice_sequence":1,"object":"customer","phone":null,"preferred_locales":[],"shipping":null,"tax_exempt":"none","test_clock":null}},"id":"evt_uPbMKaq443kbM8zWymRwSiXL","livemode":false,"object":"event","pending_webhooks":0,"request":{"id":"req_fUBS8osc803uwg","idempotency_key":null},"type":"customer.created","_delivered":true}');
INSERT INTO "objects" VALUES(13,'evt_XA55Ss2X0085jbGCBeE2B308','event',1767225600,0,'{"api_version":"2026-10-28.endive","created":1767225600,"data":{"object":{"address":null,"balance":0,"created":1767225600,"currency":null,"customer_account":null,"default_source":null,"delinquent":false,"description":null,"discount":null,"email":null,"id":"cus_4D0ZOLtffBUdQG","invoice_prefix":"SLF0VQSC","invoice_settings":{"custom_fields":null,"default_payment_method":null,"footer":null,"rendering_options":null},"livemode":false,"metadata":{},"name":"Gone","next_invoice_sequence":1,"object":"customer","phone":null,"preferred_locales":[],"shipping":null,"tax_exempt":"none","test_clock":null}},"id":"evt_XA55Ss2X0085jbGCBeE2B308","livemode":false,"object":"event","pending_webhooks":0,"request":{"id":"req_VAC4l6zEVHEX8C","idempotency_key":null},"type":"customer.deleted","_delivered":true}');
CREATE INDEX objects_by_kind ON objects (kind, deleted, seq);
CREATE INDEX links_by_object ON links (seq);
CREATE INDEX due_by_time ON due (clock, at);
CREATE INDEX deliveries_waiting ON deliveries (state, next_attempt);
CREATE INDEX deliveries_by_event ON deliveries (event);
CREATE INDEX delivery_attempts_by_delivery ON delivery_attempts (delivery);
COMMIT;
