-- Tables and views as they were before the facts of bodies, rules and incidents had columns and views of their own: what a
-- migration finds in a database that has been there for long. Statements are parted by the line `-- next`.
CREATE TABLE IF NOT EXISTS `schema_migrations`
(
    `name` String COMMENT 'Table or view.',
    `fingerprint` String COMMENT 'Hash of its declaration; the newest row of a name says what it is now.',
    `action` LowCardinality(String) COMMENT 'created, altered or replaced.',
    `applied_at` DateTime64(6, 'UTC') COMMENT 'When the change was done.'
)
ENGINE = MergeTree
ORDER BY (`applied_at`, `name`)
COMMENT 'What was created or changed in this database, and when.'
-- next
CREATE TABLE IF NOT EXISTS `touchpoints`
(
    `ident_key` UUID COMMENT 'Subject: the strongest identifier of the touchpoint, as keyed hash.',
    `kind` Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14) COMMENT 'Kind of the subject.',
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'When it happened, in the producer\'s word; never altered.',
    `event_uid` UUID COMMENT 'Hash of source, event_id, occurred_at and subject.',
    `content_version` UInt128 COMMENT 'Revision, content hash and earliest receipt as one number: greatest wins.',
    `event_id` String COMMENT 'The producer\'s id of the event.',
    `source` LowCardinality(String) COMMENT 'System that produced the event.',
    `type` LowCardinality(String) COMMENT 'What happened, `<domain>.<verb>`.',
    `channel` LowCardinality(String) COMMENT 'Where it happened: web, app, email, phone, …',
    `direction` String COMMENT 'Who began it: inbound (customer), outbound (business) or system.',
    `received_at` DateTime64(3, 'UTC') COMMENT 'When the pipeline first took it.',
    `sent_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When the producer says it sent it.',
    `clock_skew_ms` Nullable(Int64) COMMENT 'received_at − sent_at in milliseconds; shown, never applied.',
    `revision` UInt32 COMMENT 'Correction number given by the producer; 0 is the first.',
    `identities` Array(Tuple(kind Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14), ident_key UUID)) COMMENT 'All identifiers, distinct, strongest first; the subject is the first.',
    `order_id` String COMMENT 'Order it refers to, as sent; empty: none.',
    `shipment_id` String COMMENT 'Shipment it refers to; empty: none.',
    `return_id` String COMMENT 'Return it refers to; empty: none.',
    `ticket_id` String COMMENT 'Support ticket it refers to; empty: none.',
    `conversation_id` String COMMENT 'Conversation it refers to; empty: none.',
    `subscription_id` String COMMENT 'Subscription it refers to; empty: none.',
    `survey_id` String COMMENT 'Survey it refers to; empty: none.',
    `campaign` String COMMENT 'Campaign it refers to; empty: none.',
    `product_ids` Array(String) COMMENT 'Products it refers to.',
    `session_id` String COMMENT 'The producer\'s session; visits do not rely on it. Empty: none.',
    `url` String COMMENT 'Address of the page; empty: none.',
    `referrer` String COMMENT 'Address of the page before; empty: none.',
    `title` String COMMENT 'Title of the page; empty: none.',
    `locale` String COMMENT 'Language and region of the customer\'s program; empty: none.',
    `utm_source` String COMMENT 'Campaign parameter utm_source, from the context or the url.',
    `utm_medium` String COMMENT 'Campaign parameter utm_medium.',
    `utm_campaign` String COMMENT 'Campaign parameter utm_campaign.',
    `utm_term` String COMMENT 'Campaign parameter utm_term.',
    `utm_content` String COMMENT 'Campaign parameter utm_content.',
    `user_agent_family` String COMMENT 'Family of the browser or app; the user agent itself is not stored.',
    `device_class` String COMMENT 'Class of the device: desktop, phone, tablet, …',
    `is_bot` Bool COMMENT 'Whether the user agent is a known robot.',
    `referrer_domain` String COMMENT 'Registered name of the page before; empty: none.',
    `channel_group` String COMMENT 'Marketing channel group told from referrer and campaign parameters.',
    `consent` Array(Tuple(purpose String, granted Bool)) COMMENT 'Consent that travelled with the event.',
    `amount_minor` Nullable(Int64) COMMENT 'Money of the touchpoint in minor units of its currency.',
    `currency` String COMMENT 'Currency of amount_minor, ISO 4217; empty: none.',
    `attributes` Array(Tuple(key String, value String)) COMMENT 'What has no field of its own.',
    `body` String COMMENT 'Non-null fields of the type\'s own body as compact JSON; times in milliseconds.',
    `log_id` String COMMENT 'Incarnation of the Kafka log it was read from.',
    `topic` String COMMENT 'Topic it was read from.',
    `partition` UInt16 COMMENT 'Partition it was read from.',
    `offset` Int64 COMMENT 'Offset it was read from.',
    `landed_at` DateTime64(6, 'UTC') COMMENT 'Stamp taken before the INSERT: not before any version registered by then.'
)
ENGINE = ReplacingMergeTree(content_version)
ORDER BY (`ident_key`, `occurred_at`, `event_uid`)
SETTINGS index_granularity = 256
COMMENT 'Every touchpoint that landed, once; of several contents of one event_uid the greatest content_version.'
-- next
CREATE TABLE IF NOT EXISTS `identity_links`
(
    `ident_key` UUID COMMENT 'One end of the link.',
    `kind` SimpleAggregateFunction(any, Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14)) COMMENT 'Kind of that end; the key decides it.',
    `neighbour` UUID COMMENT 'The other end.',
    `neighbour_kind` SimpleAggregateFunction(any, Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14)) COMMENT 'Kind of the other end; its key decides it.',
    `first_seen` SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'Earliest occurred_at of their touchpoints.',
    `first_landed_at` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'Earliest landing of the link.',
    `landed_at` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'Latest landing of the link.'
)
ENGINE = AggregatingMergeTree
ORDER BY (`ident_key`, `neighbour`)
SETTINGS index_granularity = 256
COMMENT 'Identifiers seen together on a touchpoint, stored in both directions so that either end finds the other.'
-- next
CREATE TABLE IF NOT EXISTS `identity_statements`
(
    `a` UUID COMMENT 'One identifier of the pair.',
    `a_kind` Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14) COMMENT 'Kind of a.',
    `b` UUID COMMENT 'The other identifier of the pair.',
    `b_kind` Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14) COMMENT 'Kind of b.',
    `statement` Enum8('alias' = 1, 'unlink' = 2) COMMENT 'alias: one person; unlink: not one person.',
    `withdraws` String COMMENT 'event_id of the statement that this one takes back; empty: it states.',
    `source` LowCardinality(String) COMMENT 'System that said it.',
    `event_id` String COMMENT 'The producer\'s id of the statement.',
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'When it was said.',
    `event_uid` UUID COMMENT 'The touchpoint that carried it.',
    `content_version` UInt128 COMMENT 'As in touchpoints: greatest wins.',
    `landed_at` DateTime64(6, 'UTC') COMMENT 'As in touchpoints.'
)
ENGINE = ReplacingMergeTree(content_version)
ORDER BY (`a`, `b`, `event_uid`)
SETTINGS index_granularity = 256
COMMENT 'What was said about identity: aliases, unlinks and their withdrawals, in both directions.'
-- next
CREATE TABLE IF NOT EXISTS `landed`
(
    `log_id` LowCardinality(String) COMMENT 'Incarnation of the Kafka log: offsets count within one.',
    `topic` LowCardinality(String) COMMENT 'Topic.',
    `partition` UInt16 COMMENT 'Partition.',
    `first_offset` Int64 COMMENT 'First offset of the range.',
    `last_offset` Int64 COMMENT 'Last offset of the range, included.',
    `records` UInt32 COMMENT 'Records read in the range.',
    `rejected` UInt32 COMMENT 'Of these, rejected.',
    `lost` UInt64 COMMENT 'Offsets in the range that the broker dropped before they were read.',
    `landed_at` DateTime64(6, 'UTC') COMMENT 'Stamp that the facts of the batch carry.',
    `completed_at` DateTime64(6, 'UTC') COMMENT 'Stamp taken after all facts of the batch were in.'
)
ENGINE = ReplacingMergeTree(completed_at)
ORDER BY (`log_id`, `topic`, `partition`, `first_offset`, `last_offset`)
COMMENT 'Ranges of Kafka offsets whose records are landed or rejected; the accounting is their union.'
-- next
CREATE TABLE IF NOT EXISTS `rejected`
(
    `log_id` LowCardinality(String) COMMENT 'Incarnation of the Kafka log.',
    `topic` LowCardinality(String) COMMENT 'Topic.',
    `partition` UInt16 COMMENT 'Partition.',
    `offset` Int64 COMMENT 'Offset.',
    `rejected_at` DateTime64(3, 'UTC') COMMENT 'When it was rejected.',
    `reason` LowCardinality(String) COMMENT 'Why, from a closed list.',
    `detail` String COMMENT 'What exactly, and where in the record.',
    `schema` LowCardinality(String) COMMENT 'Fingerprint or family of the writer\'s schema, as far as known.',
    `key` String COMMENT 'The record\'s Kafka key.',
    `payload` Nullable(String) COMMENT 'The record\'s original bytes; a tombstone has none.',
    `landed_at` DateTime64(6, 'UTC') COMMENT 'Stamp taken before the INSERT.'
)
ENGINE = ReplacingMergeTree(landed_at)
ORDER BY (`log_id`, `topic`, `partition`, `offset`)
COMMENT 'Records that cannot become touchpoints, with reason and original bytes.'
-- next
CREATE TABLE IF NOT EXISTS `stitch_versions`
(
    `version` DateTime64(6, 'UTC') COMMENT 'The version; greater than every one registered before.',
    `worker` String COMMENT 'Who registered it.'
)
ENGINE = MergeTree
ORDER BY `version`
COMMENT 'Versions of results, registered before the facts for them are read.'
-- next
CREATE TABLE IF NOT EXISTS `landing_settings`
(
    `hash_key` String COMMENT 'Fingerprint of the key that identifiers are hashed with.',
    `phone_region` String COMMENT 'Region of phone numbers in national form; empty: none.',
    `blocklist` Array(String) COMMENT 'Values that were dropped when they landed, from now on.',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When a landing worker first had these settings.'
)
ENGINE = MergeTree
ORDER BY `recorded_at`
COMMENT 'Settings that landed identifiers depend on; key and region of the first row hold, blocklists add up.'
-- next
CREATE TABLE IF NOT EXISTS `rules`
(
    `rules_version` UInt32 COMMENT 'Version of the rules; a number is never used again.',
    `visit_gap_ms` Int64 COMMENT 'Longest silence within a visit, in milliseconds, included.',
    `journey_gap_ms` Int64 COMMENT 'Longest silence within a journey, in milliseconds, included.',
    `settings` String COMMENT 'Everything that these results depend on, as JSON; empty: not recorded yet.',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When this was recorded.'
)
ENGINE = MergeTree
ORDER BY (`rules_version`, `recorded_at`)
COMMENT 'What the results of each rules_version depend on besides the facts; what was recorded first holds.'
-- next
CREATE TABLE IF NOT EXISTS `rules_progress`
(
    `rules_version` UInt32 COMMENT 'Version of the rules.',
    `state` LowCardinality(String) COMMENT 'making, complete, remaking (complete, and being made again) or dropped.',
    `round` UInt32 COMMENT 'Passes over all identifiers begun; the last one of a making finds nothing.',
    `position` UUID COMMENT 'The pass has done the identifiers up to this one, in the order of their keys.',
    `found` UInt64 COMMENT 'Identifiers that this pass found to be made.',
    `passed` UInt64 COMMENT 'Identifiers that the first pass has gone by.',
    `total` UInt64 COMMENT 'Identifiers when it began, about.',
    `since` DateTime64(6, 'UTC') COMMENT 'Rows of an older version are made anew.',
    `until` DateTime64(6, 'UTC') COMMENT 'It answers for facts landed up to here; what lands later is announced.',
    `started_at` DateTime64(6, 'UTC') COMMENT 'When the making began.',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When this was recorded.'
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY `rules_version`
COMMENT 'How far the results of each rules_version are made; the row recorded last holds.'
-- next
CREATE TABLE IF NOT EXISTS `active_rules`
(
    `rules_version` UInt32 COMMENT 'Version of the rules.',
    `activated_at` DateTime64(6, 'UTC') COMMENT 'When the views were switched to it.'
)
ENGINE = MergeTree
ORDER BY `activated_at`
COMMENT 'Which rules_version the views show: the one activated last.'
-- next
CREATE TABLE IF NOT EXISTS `identity_ledger`
(
    `version` DateTime64(6, 'UTC') COMMENT 'Version of the results that brought the change.',
    `rules_version` UInt32 COMMENT 'Version of the rules.',
    `kind` Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14) COMMENT 'Kind of the identifier.',
    `ident_key` UUID COMMENT 'The identifier.',
    `customer_uid` UUID COMMENT 'The customer it belongs to since.',
    `cause_event_uid` UUID COMMENT 'Touchpoint that caused the change.',
    `rule` LowCardinality(String) COMMENT 'Rule that applied.'
)
ENGINE = MergeTree
ORDER BY (`rules_version`, `ident_key`, `version`)
SETTINGS index_granularity = 256
COMMENT 'Every change of who an identifier is, with its cause; rows are only added.'
-- next
CREATE TABLE IF NOT EXISTS `stitched`
(
    `rules_version` UInt32 COMMENT 'Version of the rules that made the row.',
    `ident_key` UUID COMMENT 'The identifier.',
    `kind` Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14) COMMENT 'Its kind.',
    `version` DateTime64(6, 'UTC') COMMENT 'Registered before the facts were read; the greatest wins.',
    `customer_uid` UUID COMMENT 'The customer: ident_key of the anchor.',
    `shared` Bool COMMENT 'Whether the identifier is over a cap and joins nobody.',
    `is_anchor` Bool COMMENT 'Whether this row carries the customer; the columns below are filled only then.',
    `identifiers` Array(Tuple(kind Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14), ident_key UUID)) COMMENT 'All identifiers of the customer, by rank and key.',
    `first_seen_at` DateTime64(3, 'UTC') COMMENT 'Earliest touchpoint that counts.',
    `last_seen_at` DateTime64(3, 'UTC') COMMENT 'Latest touchpoint that counts.',
    `touchpoints` UInt32 COMMENT 'Touchpoints that count (identity statements do not).',
    `orders` UInt32 COMMENT 'Distinct order_id of order.placed.',
    `revenue` Array(Tuple(currency String, minor Int64)) COMMENT 'Their amounts by currency before refunds, sorted by currency.',
    `step_event_uid` Array(UUID) COMMENT 'Touchpoints by (occurred_at, event_uid): which.',
    `step_occurred_at` Array(DateTime64(3, 'UTC')) COMMENT '… when.',
    `step_type` Array(LowCardinality(String)) COMMENT '… what.',
    `step_channel` Array(LowCardinality(String)) COMMENT '… where.',
    `step_journey` Array(UInt32) COMMENT '… index of the journey.',
    `step_visit` Array(UInt32) COMMENT '… index of the visit; 0: in none.',
    `visit_id` Array(UUID) COMMENT 'Visits by start: which.',
    `visit_journey` Array(UInt32) COMMENT '… index of the journey.',
    `visit_started_at` Array(DateTime64(3, 'UTC')) COMMENT '… first touchpoint.',
    `visit_ended_at` Array(DateTime64(3, 'UTC')) COMMENT '… last touchpoint.',
    `visit_touchpoints` Array(UInt32) COMMENT '… number of touchpoints.',
    `visit_channel` Array(LowCardinality(String)) COMMENT '… channel of the first touchpoint.',
    `visit_entry_url` Array(String) COMMENT '… first url.',
    `visit_exit_url` Array(String) COMMENT '… last url.',
    `visit_channel_group` Array(LowCardinality(String)) COMMENT '… marketing channel group at entry.',
    `visit_utm_source` Array(LowCardinality(String)) COMMENT '… utm_source at entry.',
    `visit_utm_medium` Array(LowCardinality(String)) COMMENT '… utm_medium at entry.',
    `visit_utm_campaign` Array(LowCardinality(String)) COMMENT '… utm_campaign at entry.',
    `journey_id` Array(UUID) COMMENT 'Journeys by start: which.',
    `journey_started_at` Array(DateTime64(3, 'UTC')) COMMENT '… first touchpoint.',
    `journey_ended_at` Array(DateTime64(3, 'UTC')) COMMENT '… last touchpoint.',
    `journey_first_step` Array(UInt32) COMMENT '… index of the first step.',
    `journey_touchpoints` Array(UInt32) COMMENT '… number of steps, which follow each other.',
    `journey_visits` Array(UInt32) COMMENT '… number of visits.',
    `journey_orders` Array(UInt32) COMMENT '… distinct order_id of order.placed.',
    `journey_revenue` Array(Array(Tuple(currency String, minor Int64))) COMMENT '… their amounts by currency, sorted by currency.',
    `pain_point_id` Array(UUID) COMMENT 'Pain points: which.',
    `pain_kind` Array(LowCardinality(String)) COMMENT '… kind.',
    `pain_severity` Array(LowCardinality(String)) COMMENT '… low, medium or high.',
    `pain_journey` Array(UInt32) COMMENT '… index of the journey.',
    `pain_occurred_at` Array(DateTime64(3, 'UTC')) COMMENT '… when it hurt.',
    `pain_due_at` Array(Nullable(DateTime64(3, 'UTC'))) COMMENT '… from when it counts, where it is an absence.',
    `pain_order_id` Array(String) COMMENT '… order; empty: none.',
    `pain_ticket_id` Array(String) COMMENT '… ticket; empty: none.',
    `pain_evidence` Array(Array(UUID)) COMMENT '… event_uid of the touchpoints that show it.',
    `pain_detail` Array(String) COMMENT '… in words.',
    `pain_rule_version` Array(UInt32) COMMENT '… version of the rule that found it.'
)
ENGINE = ReplacingMergeTree(version) PARTITION BY rules_version
ORDER BY (`rules_version`, `ident_key`)
SETTINGS index_granularity = 256
COMMENT 'Who every identifier is, and on the anchor\'s row the customer\'s steps, visits, journeys and pain points.'
-- next
CREATE OR REPLACE VIEW `v_touchpoints`
(
    `event_uid` UUID COMMENT 'Hash of source, event_id, occurred_at and the strongest identifier.',
    `event_id` String COMMENT 'The producer\'s id of the event.',
    `source` LowCardinality(String) COMMENT 'System that produced the event.',
    `type` LowCardinality(String) COMMENT 'What happened, `<domain>.<verb>`.',
    `stage` LowCardinality(String) COMMENT 'Stage of the customer\'s life it belongs to; any: to none.',
    `channel` LowCardinality(String) COMMENT 'Where it happened: web, app, email, phone, …',
    `direction` LowCardinality(String) COMMENT 'Who began it: inbound (customer), outbound (business) or system.',
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'When it happened, in the producer\'s word.',
    `received_at` DateTime64(3, 'UTC') COMMENT 'When the pipeline first took it.',
    `customer_uid` UUID COMMENT 'The customer; until it is stitched (seconds), the touchpoint\'s own strongest identifier.',
    `journey_id` Nullable(UUID) COMMENT 'The journey; NULL for identity statements and until stitched.',
    `visit_id` Nullable(UUID) COMMENT 'The visit; NULL outside web, app, chat and bot.',
    `order_id` Nullable(String) COMMENT 'Order it refers to.',
    `shipment_id` Nullable(String) COMMENT 'Shipment it refers to.',
    `return_id` Nullable(String) COMMENT 'Return it refers to.',
    `ticket_id` Nullable(String) COMMENT 'Support ticket it refers to.',
    `conversation_id` Nullable(String) COMMENT 'Conversation it refers to.',
    `subscription_id` Nullable(String) COMMENT 'Subscription it refers to.',
    `survey_id` Nullable(String) COMMENT 'Survey it refers to.',
    `campaign` Nullable(String) COMMENT 'Campaign it refers to; where only the body names one, that.',
    `url` Nullable(String) COMMENT 'Address of the page.',
    `referrer` Nullable(String) COMMENT 'Address of the page before.',
    `amount_minor` Nullable(Int64) COMMENT 'Money in minor units of its currency.',
    `currency` Nullable(String) COMMENT 'Currency of amount_minor, ISO 4217.',
    `attributes` Map(String, String) COMMENT 'What the producer sent beside the fields that we know.',
    `a` Nullable(UUID) COMMENT 'First identifier of the statement. From identity.aliased, identity.unlinked.',
    `action` Nullable(String) COMMENT 'What was done, as like, share, comment or follow. From social.mentioned, social.interacted.',
    `agent_id` Nullable(String) COMMENT 'Who answered. From support.call_started, support.call_ended, support.chat_started, support.chat_message, support.chat_ended.',
    `answered` Nullable(Bool) COMMENT 'Somebody answered. From support.call_started, support.call_ended.',
    `assignee` Nullable(String) COMMENT 'Person that has the ticket. From support.ticket_created, support.ticket_updated, support.ticket_solved, support.ticket_reopened.',
    `b` Nullable(UUID) COMMENT 'Second identifier of the statement. From identity.aliased, identity.unlinked.',
    `balance` Nullable(Float64) COMMENT 'Points after it. From loyalty.points_changed, loyalty.tier_changed.',
    `by` Nullable(String) COMMENT 'Who changed or cancelled it, as customer, shop or payment. From order.changed, order.cancelled.',
    `marketing_campaign` Nullable(String) COMMENT 'Campaign of the advert. From marketing.impression, marketing.clicked.',
    `carrier` Nullable(String) COMMENT 'Carrier. From delivery.shipped, delivery.status_changed, delivery.delivered.',
    `case_id` Nullable(String) COMMENT 'Case that follows up the feedback. From feedback.case_opened, feedback.action_taken, feedback.case_closed.',
    `category` Nullable(String) COMMENT 'What the complaint is about. From complaint.raised, complaint.resolved.',
    `cause_event_id` Nullable(String) COMMENT 'Touchpoint that caused the case. From feedback.case_opened, feedback.action_taken, feedback.case_closed.',
    `code` Nullable(String) COMMENT 'Code of the error / Code of the failure / Code of the recommendation. From ui.error_shown, payment.failed, referral.sent, referral.converted.',
    `comment` Nullable(String) COMMENT 'Answer in words. From survey.sent, survey.answered, survey.declined.',
    `condition` Nullable(String) COMMENT 'Condition of the parcel / Condition of the goods. From delivery.delivered, return.received.',
    `content_group` Nullable(String) COMMENT 'Group of pages, as `checkout` or `help`. From web.page_viewed.',
    `content_id` Nullable(String) COMMENT 'Article, video or guide. From content.read.',
    `cost` Nullable(Float64) COMMENT 'What the contact cost the advertiser, as the platform reports it; informative, not the customer\'s money. From marketing.impression, marketing.clicked.',
    `coupon` Nullable(String) COMMENT 'Coupon that was used. From order.placed.',
    `creative` Nullable(String) COMMENT 'Picture or text shown. From marketing.impression, marketing.clicked.',
    `delivered_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'Handed over at; null: occurred_at. From delivery.delivered.',
    `delta` Nullable(Float64) COMMENT 'Points won or lost. From loyalty.points_changed, loyalty.tier_changed.',
    `depth_pct` Nullable(Float64) COMMENT 'How far it was read, in percent. From content.read.',
    `duration_s` Nullable(Float64) COMMENT 'Seconds from start to end. From support.chat_started, support.chat_message, support.chat_ended.',
    `dwell_ms` Nullable(Int64) COMMENT 'Time on the page in milliseconds. From web.page_viewed.',
    `effective_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'The subscription ends at. From subscription.cancelled.',
    `element` Nullable(String) COMMENT 'Element of the page. From ui.clicked.',
    `errors` Array(String) COMMENT 'What the form complained about, one entry per complaint. From form.submitted.',
    `eta` Nullable(DateTime64(3, 'UTC')) COMMENT 'Delivery expected at. From delivery.status_changed.',
    `feature` Nullable(String) COMMENT 'What was used. From usage.used.',
    `form_id` Nullable(String) COMMENT 'Form. From form.submitted.',
    `from` Nullable(String) COMMENT 'Who gave it on. From support.escalated.',
    `group` Nullable(String) COMMENT 'Team that has the ticket. From support.ticket_created, support.ticket_updated, support.ticket_solved, support.ticket_reopened.',
    `group_id` Nullable(String) COMMENT 'Company or household that the account joined. From account.grouped.',
    `handoff` Nullable(Bool) COMMENT 'Handed from bot to person. From support.chat_started, support.chat_message, support.chat_ended.',
    `hold_s` Nullable(Float64) COMMENT 'Seconds on hold. From support.call_started, support.call_ended.',
    `instalments` Nullable(Int32) COMMENT 'Number of instalments. From payment.made.',
    `instrument` Nullable(String) COMMENT 'What is measured. From survey.sent, survey.answered, survey.declined.',
    `kind` Nullable(String) COMMENT 'Sort of content. From content.read.',
    `lines` Array(Tuple(product_id Nullable(String), name Nullable(String), category Nullable(String), seller_id Nullable(String), quantity Nullable(Float64), price_minor Nullable(Int64), shipping_minor Nullable(Int64))) COMMENT 'What was ordered / What goes back. From order.placed, return.requested.',
    `list` Nullable(String) COMMENT 'Mailing list that was left. From marketing.unsubscribed.',
    `list_id` Nullable(String) COMMENT 'List of products, as a category. From product.list_viewed.',
    `message` Nullable(String) COMMENT 'Text of the error as shown. From ui.error_shown.',
    `method` Nullable(String) COMMENT 'Way of payment / Way of the refund / Way of signing up or in. From payment.made, payment.failed, refund.issued, account.registered, account.signed_in, account.identified, account.grouped.',
    `name` Nullable(String) COMMENT 'Name of the checkout step / Name of the event as the producer calls it. From checkout.step_reached, custom.tracked.',
    `network` Nullable(String) COMMENT 'Network, as `instagram`. From social.mentioned, social.interacted.',
    `ok` Nullable(Bool) COMMENT 'The click did what it should. From ui.clicked.',
    `outcome` Nullable(String) COMMENT 'How the step ended / What came of it. From checkout.step_reached, feedback.case_opened, feedback.action_taken, feedback.case_closed.',
    `owner` Nullable(String) COMMENT 'Who has the case. From feedback.case_opened, feedback.action_taken, feedback.case_closed.',
    `party` Nullable(String) COMMENT 'Who speaks. From support.chat_started, support.chat_message, support.chat_ended.',
    `period` Nullable(String) COMMENT 'Billing period, as `month`. From subscription.started, subscription.renewed, subscription.paused, subscription.changed.',
    `placement` Nullable(String) COMMENT 'Where it was shown. From marketing.impression, marketing.clicked.',
    `plan` Nullable(String) COMMENT 'Plan of the subscription. From subscription.started, subscription.renewed, subscription.paused, subscription.changed.',
    `previous` Nullable(String) COMMENT 'Screen before. From app.screen_viewed.',
    `priority` Nullable(String) COMMENT 'Priority of the ticket. From support.ticket_created, support.ticket_updated, support.ticket_solved, support.ticket_reopened.',
    `product` Nullable(String) COMMENT 'Id of the product. From product.viewed, cart.item_added, cart.item_removed.',
    `products` Array(String) COMMENT 'Ids of the products shown. From product.list_viewed.',
    `promised_delivery_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'Delivery promised by. From order.placed.',
    `promised_from` Nullable(DateTime64(3, 'UTC')) COMMENT 'Delivery promised from. From delivery.shipped.',
    `promised_until` Nullable(DateTime64(3, 'UTC')) COMMENT 'Delivery promised until. From delivery.shipped.',
    `proof` Nullable(String) COMMENT 'Proof of delivery, as `signature`. From delivery.delivered.',
    `public_reply` Nullable(Bool) COMMENT 'The customer sees the change. From support.ticket_created, support.ticket_updated, support.ticket_solved, support.ticket_reopened.',
    `purposes` Array(String) COMMENT 'Purposes whose consent changed; the consent itself is in the envelope. From consent.changed.',
    `quantity` Nullable(Float64) COMMENT 'How many or how much. From cart.item_added, cart.item_removed, usage.used.',
    `query` Nullable(String) COMMENT 'What was searched for. From site.searched.',
    `queue` Nullable(String) COMMENT 'Queue or hotline. From support.call_started, support.call_ended, support.chat_started, support.chat_message, support.chat_ended.',
    `rating` Nullable(Float64) COMMENT 'Rating on the scale; JSON may give it as text, as Segment does. From review.published.',
    `reach` Nullable(Int64) COMMENT 'How many may have seen it. From social.mentioned, social.interacted.',
    `reason` Nullable(String) COMMENT 'Why the customer turned to us / Why the order was changed or cancelled / Why it goes back / Why it was cancelled, merged or kept apart. From support.call_started, support.call_ended, support.chat_started, support.chat_message, support.chat_ended, support.ticket_created, support.ticket_updated, support.ticket_solved, support.ticket_reopened, order.changed, order.cancelled, return.requested, subscription.cancelled, identity.aliased, identity.unlinked.',
    `referee` Nullable(String) COMMENT 'Who was recommended to us. From referral.sent, referral.converted.',
    `regulator_ref` Nullable(String) COMMENT 'File number at a regulator. From complaint.raised, complaint.resolved.',
    `remedy` Nullable(String) COMMENT 'What was done about it. From complaint.raised, complaint.resolved.',
    `resolved` Nullable(Bool) COMMENT 'The matter was settled. From support.call_started, support.call_ended, support.chat_started, support.chat_message, support.chat_ended.',
    `restockable` Nullable(Bool) COMMENT 'The goods can be sold again. From return.received.',
    `results_count` Nullable(Int64) COMMENT 'How many results were shown. From site.searched.',
    `scale` Nullable(Float64) COMMENT 'Greatest rating. From review.published.',
    `scale_max` Nullable(Float64) COMMENT 'Greatest answer. From survey.sent, survey.answered, survey.declined.',
    `scale_min` Nullable(Float64) COMMENT 'Least answer. From survey.sent, survey.answered, survey.declined.',
    `score` Nullable(Float64) COMMENT 'Answer on the scale. From survey.sent, survey.answered, survey.declined.',
    `screen` Nullable(String) COMMENT 'Screen of the app. From app.screen_viewed.',
    `sentiment` Nullable(String) COMMENT 'Mood of the mention: positive, neutral, negative. From social.mentioned, social.interacted.',
    `severity` Nullable(String) COMMENT 'How grave the complaint is. From complaint.raised, complaint.resolved.',
    `site` Nullable(String) COMMENT 'Where it was published. From review.published.',
    `status` Nullable(String) COMMENT 'Status of the ticket / Where the shipment stands. From support.ticket_created, support.ticket_updated, support.ticket_solved, support.ticket_reopened, delivery.status_changed.',
    `step` Nullable(Int32) COMMENT 'Number of the checkout step, from 1. From checkout.step_reached.',
    `subject_hash` Nullable(String) COMMENT 'Hash of the subject line. From support.email_received, support.email_sent.',
    `talk_s` Nullable(Float64) COMMENT 'Seconds of talk. From support.call_started, support.call_ended.',
    `text` Nullable(String) COMMENT 'Review in words. From review.published.',
    `text_hash` Nullable(String) COMMENT 'Hash of the text; the text itself is not sent. From support.chat_started, support.chat_message, support.chat_ended.',
    `thread_id` Nullable(String) COMMENT 'Mail thread. From support.email_received, support.email_sent.',
    `tier` Nullable(String) COMMENT 'Loyalty tier after it. From loyalty.points_changed, loyalty.tier_changed.',
    `to` Nullable(String) COMMENT 'Who took it. From support.escalated.',
    `tracking_no` Nullable(String) COMMENT 'Tracking number of the carrier. From delivery.shipped, delivery.status_changed, delivery.delivered.',
    `transfers` Nullable(Int32) COMMENT 'How often it was handed on. From support.call_started, support.call_ended.',
    `trial` Nullable(Bool) COMMENT 'Free of charge for now. From subscription.started, subscription.renewed, subscription.paused, subscription.changed.',
    `trigger_event_id` Nullable(String) COMMENT 'Touchpoint that the survey asks about. From survey.sent, survey.answered, survey.declined.',
    `verified` Nullable(Bool) COMMENT 'The site knows that the reviewer bought it. From review.published.',
    `voluntary` Nullable(Bool) COMMENT 'The customer wanted it. From subscription.cancelled.',
    `wait_s` Nullable(Float64) COMMENT 'Seconds until somebody answered. From support.call_started, support.call_ended, support.chat_started, support.chat_message, support.chat_ended.',
    `why` Nullable(String) COMMENT 'Why it was escalated. From support.escalated.',
    `x` Nullable(Float64) COMMENT 'Pixels from the left. From ui.clicked.',
    `y` Nullable(Float64) COMMENT 'Pixels from the top. From ui.clicked.',
    `title` Nullable(String) COMMENT 'Title of the page.',
    `product_ids` Array(String) COMMENT 'Products it refers to.',
    `session_id` Nullable(String) COMMENT 'The producer\'s own session; visits ignore it.',
    `locale` Nullable(String) COMMENT 'Language and region of the customer\'s program.',
    `utm_source` Nullable(String) COMMENT 'Campaign parameter utm_source.',
    `utm_medium` Nullable(String) COMMENT 'Campaign parameter utm_medium.',
    `utm_campaign` Nullable(String) COMMENT 'Campaign parameter utm_campaign.',
    `utm_term` Nullable(String) COMMENT 'Campaign parameter utm_term.',
    `utm_content` Nullable(String) COMMENT 'Campaign parameter utm_content.',
    `channel_group` Nullable(String) COMMENT 'Marketing channel group.',
    `referrer_domain` Nullable(String) COMMENT 'Registered name of the page before.',
    `user_agent_family` Nullable(String) COMMENT 'Family of the browser or app.',
    `device_class` Nullable(String) COMMENT 'Class of the device.',
    `is_bot` Bool COMMENT 'Whether the user agent is a known robot.',
    `revision` UInt32 COMMENT 'Correction number given by the producer; 0 is the first.',
    `sent_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When the producer says it sent it.',
    `clock_skew_ms` Nullable(Int64) COMMENT 'received_at − sent_at in milliseconds.',
    `consent` Map(String, Bool) COMMENT 'Consent that travelled with the event, by purpose.',
    `ident_key` UUID COMMENT 'The strongest identifier on the touchpoint; filters on it are quick.',
    `identifiers` Array(Tuple(kind Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14), ident_key UUID)) COMMENT 'Identifiers on the touchpoint, strongest first, as keys.',
    `body` String COMMENT 'The type\'s own fields as JSON, as stored; times in milliseconds.'
)
COMMENT 'Every touchpoint once, with its customer, visit and journey; body fields as typed columns.'
AS SELECT
    t.event_uid AS `event_uid`,
    t.event_id AS `event_id`,
    t.source AS `source`,
    t.type AS `type`,
    transform(toString(t.type), ['web.page_viewed', 'app.screen_viewed', 'content.read', 'site.searched', 'product.viewed', 'product.list_viewed', 'form.submitted', 'cart.item_added', 'cart.item_removed', 'checkout.step_reached', 'marketing.impression', 'marketing.clicked', 'marketing.unsubscribed', 'social.mentioned', 'social.interacted', 'support.call_started', 'support.call_ended', 'support.chat_started', 'support.chat_message', 'support.chat_ended', 'support.email_received', 'support.email_sent', 'support.ticket_created', 'support.ticket_updated', 'support.ticket_solved', 'support.ticket_reopened', 'support.escalated', 'complaint.raised', 'complaint.resolved', 'order.placed', 'order.changed', 'order.cancelled', 'payment.made', 'payment.failed', 'delivery.shipped', 'delivery.status_changed', 'delivery.delivered', 'return.requested', 'return.received', 'refund.issued', 'survey.sent', 'survey.answered', 'survey.declined', 'review.published', 'referral.sent', 'referral.converted', 'feedback.case_opened', 'feedback.action_taken', 'feedback.case_closed', 'account.registered', 'account.signed_in', 'account.identified', 'account.grouped', 'subscription.started', 'subscription.renewed', 'subscription.paused', 'subscription.changed', 'subscription.cancelled', 'loyalty.points_changed', 'loyalty.tier_changed', 'consent.changed', 'usage.used'], ['discover', 'discover', 'discover', 'consider', 'consider', 'consider', 'consider', 'buy', 'buy', 'buy', 'discover', 'discover', 'leave', 'advocate', 'advocate', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'buy', 'buy', 'buy', 'buy', 'buy', 'receive', 'receive', 'receive', 'return', 'return', 'return', 'stay', 'stay', 'stay', 'advocate', 'advocate', 'advocate', 'stay', 'stay', 'stay', 'consider', 'consider', 'consider', 'consider', 'stay', 'stay', 'stay', 'stay', 'leave', 'stay', 'stay', 'leave', 'use'], 'any') AS `stage`,
    t.channel AS `channel`,
    t.direction AS `direction`,
    t.occurred_at AS `occurred_at`,
    t.received_at AS `received_at`,
    ifNull(nullIf(w.customer_uid, toUUID('00000000-0000-0000-0000-000000000000')), t.ident_key) AS `customer_uid`,
    if(j.ended_at >= t.occurred_at AND t.type NOT IN ('identity.aliased', 'identity.unlinked'), toNullable(j.id), NULL) AS `journey_id`,
    if(v.ended_at >= t.occurred_at AND t.channel IN ('web', 'app', 'chat', 'bot') AND t.type NOT IN ('identity.aliased', 'identity.unlinked'), toNullable(v.id), NULL) AS `visit_id`,
    nullIf(t.order_id, '') AS `order_id`,
    nullIf(t.shipment_id, '') AS `shipment_id`,
    nullIf(t.return_id, '') AS `return_id`,
    nullIf(t.ticket_id, '') AS `ticket_id`,
    nullIf(t.conversation_id, '') AS `conversation_id`,
    nullIf(t.subscription_id, '') AS `subscription_id`,
    nullIf(t.survey_id, '') AS `survey_id`,
    coalesce(nullIf(t.campaign, ''), JSONExtract(t.body, 'campaign', 'Nullable(String)')) AS `campaign`,
    nullIf(t.url, '') AS `url`,
    nullIf(t.referrer, '') AS `referrer`,
    t.amount_minor AS `amount_minor`,
    nullIf(t.currency, '') AS `currency`,
    mapFromArrays(t.attributes.key, t.attributes.value) AS `attributes`,
    JSONExtract(t.body, 'a', 'ident_key', 'Nullable(UUID)') AS `a`,
    JSONExtract(t.body, 'action', 'Nullable(String)') AS `action`,
    JSONExtract(t.body, 'agent_id', 'Nullable(String)') AS `agent_id`,
    JSONExtract(t.body, 'answered', 'Nullable(Bool)') AS `answered`,
    JSONExtract(t.body, 'assignee', 'Nullable(String)') AS `assignee`,
    JSONExtract(t.body, 'b', 'ident_key', 'Nullable(UUID)') AS `b`,
    JSONExtract(t.body, 'balance', 'Nullable(Float64)') AS `balance`,
    JSONExtract(t.body, 'by', 'Nullable(String)') AS `by`,
    JSONExtract(if(startsWith(t.type, 'marketing.'), t.body, ''), 'campaign', 'Nullable(String)') AS `marketing_campaign`,
    JSONExtract(t.body, 'carrier', 'Nullable(String)') AS `carrier`,
    JSONExtract(t.body, 'case_id', 'Nullable(String)') AS `case_id`,
    JSONExtract(t.body, 'category', 'Nullable(String)') AS `category`,
    JSONExtract(t.body, 'cause_event_id', 'Nullable(String)') AS `cause_event_id`,
    JSONExtract(t.body, 'code', 'Nullable(String)') AS `code`,
    JSONExtract(t.body, 'comment', 'Nullable(String)') AS `comment`,
    JSONExtract(t.body, 'condition', 'Nullable(String)') AS `condition`,
    JSONExtract(t.body, 'content_group', 'Nullable(String)') AS `content_group`,
    JSONExtract(t.body, 'content_id', 'Nullable(String)') AS `content_id`,
    JSONExtract(t.body, 'cost', 'Nullable(Float64)') AS `cost`,
    JSONExtract(t.body, 'coupon', 'Nullable(String)') AS `coupon`,
    JSONExtract(t.body, 'creative', 'Nullable(String)') AS `creative`,
    fromUnixTimestamp64Milli(JSONExtract(t.body, 'delivered_at', 'Nullable(Int64)'), 'UTC') AS `delivered_at`,
    JSONExtract(t.body, 'delta', 'Nullable(Float64)') AS `delta`,
    JSONExtract(t.body, 'depth_pct', 'Nullable(Float64)') AS `depth_pct`,
    JSONExtract(t.body, 'duration_s', 'Nullable(Float64)') AS `duration_s`,
    JSONExtract(t.body, 'dwell_ms', 'Nullable(Int64)') AS `dwell_ms`,
    fromUnixTimestamp64Milli(JSONExtract(t.body, 'effective_at', 'Nullable(Int64)'), 'UTC') AS `effective_at`,
    JSONExtract(t.body, 'element', 'Nullable(String)') AS `element`,
    JSONExtract(t.body, 'errors', 'Array(String)') AS `errors`,
    fromUnixTimestamp64Milli(JSONExtract(t.body, 'eta', 'Nullable(Int64)'), 'UTC') AS `eta`,
    JSONExtract(t.body, 'feature', 'Nullable(String)') AS `feature`,
    JSONExtract(t.body, 'form_id', 'Nullable(String)') AS `form_id`,
    JSONExtract(t.body, 'from', 'Nullable(String)') AS `from`,
    JSONExtract(t.body, 'group', 'Nullable(String)') AS `group`,
    JSONExtract(t.body, 'group_id', 'Nullable(String)') AS `group_id`,
    JSONExtract(t.body, 'handoff', 'Nullable(Bool)') AS `handoff`,
    JSONExtract(t.body, 'hold_s', 'Nullable(Float64)') AS `hold_s`,
    JSONExtract(t.body, 'instalments', 'Nullable(Int32)') AS `instalments`,
    JSONExtract(t.body, 'instrument', 'Nullable(String)') AS `instrument`,
    JSONExtract(t.body, 'kind', 'Nullable(String)') AS `kind`,
    JSONExtract(t.body, 'lines', 'Array(Tuple(product_id Nullable(String), name Nullable(String), category Nullable(String), seller_id Nullable(String), quantity Nullable(Float64), price_minor Nullable(Int64), shipping_minor Nullable(Int64)))') AS `lines`,
    JSONExtract(t.body, 'list', 'Nullable(String)') AS `list`,
    JSONExtract(t.body, 'list_id', 'Nullable(String)') AS `list_id`,
    JSONExtract(t.body, 'message', 'Nullable(String)') AS `message`,
    JSONExtract(t.body, 'method', 'Nullable(String)') AS `method`,
    JSONExtract(t.body, 'name', 'Nullable(String)') AS `name`,
    JSONExtract(t.body, 'network', 'Nullable(String)') AS `network`,
    JSONExtract(t.body, 'ok', 'Nullable(Bool)') AS `ok`,
    JSONExtract(t.body, 'outcome', 'Nullable(String)') AS `outcome`,
    JSONExtract(t.body, 'owner', 'Nullable(String)') AS `owner`,
    JSONExtract(t.body, 'party', 'Nullable(String)') AS `party`,
    JSONExtract(t.body, 'period', 'Nullable(String)') AS `period`,
    JSONExtract(t.body, 'placement', 'Nullable(String)') AS `placement`,
    JSONExtract(t.body, 'plan', 'Nullable(String)') AS `plan`,
    JSONExtract(t.body, 'previous', 'Nullable(String)') AS `previous`,
    JSONExtract(t.body, 'priority', 'Nullable(String)') AS `priority`,
    JSONExtract(t.body, 'product', 'Nullable(String)') AS `product`,
    JSONExtract(t.body, 'products', 'Array(String)') AS `products`,
    fromUnixTimestamp64Milli(JSONExtract(t.body, 'promised_delivery_at', 'Nullable(Int64)'), 'UTC') AS `promised_delivery_at`,
    fromUnixTimestamp64Milli(JSONExtract(t.body, 'promised_from', 'Nullable(Int64)'), 'UTC') AS `promised_from`,
    fromUnixTimestamp64Milli(JSONExtract(t.body, 'promised_until', 'Nullable(Int64)'), 'UTC') AS `promised_until`,
    JSONExtract(t.body, 'proof', 'Nullable(String)') AS `proof`,
    JSONExtract(t.body, 'public_reply', 'Nullable(Bool)') AS `public_reply`,
    JSONExtract(t.body, 'purposes', 'Array(String)') AS `purposes`,
    JSONExtract(t.body, 'quantity', 'Nullable(Float64)') AS `quantity`,
    JSONExtract(t.body, 'query', 'Nullable(String)') AS `query`,
    JSONExtract(t.body, 'queue', 'Nullable(String)') AS `queue`,
    JSONExtract(t.body, 'rating', 'Nullable(Float64)') AS `rating`,
    JSONExtract(t.body, 'reach', 'Nullable(Int64)') AS `reach`,
    JSONExtract(t.body, 'reason', 'Nullable(String)') AS `reason`,
    JSONExtract(t.body, 'referee', 'Nullable(String)') AS `referee`,
    JSONExtract(t.body, 'regulator_ref', 'Nullable(String)') AS `regulator_ref`,
    JSONExtract(t.body, 'remedy', 'Nullable(String)') AS `remedy`,
    JSONExtract(t.body, 'resolved', 'Nullable(Bool)') AS `resolved`,
    JSONExtract(t.body, 'restockable', 'Nullable(Bool)') AS `restockable`,
    JSONExtract(t.body, 'results_count', 'Nullable(Int64)') AS `results_count`,
    JSONExtract(t.body, 'scale', 'Nullable(Float64)') AS `scale`,
    JSONExtract(t.body, 'scale_max', 'Nullable(Float64)') AS `scale_max`,
    JSONExtract(t.body, 'scale_min', 'Nullable(Float64)') AS `scale_min`,
    JSONExtract(t.body, 'score', 'Nullable(Float64)') AS `score`,
    JSONExtract(t.body, 'screen', 'Nullable(String)') AS `screen`,
    JSONExtract(t.body, 'sentiment', 'Nullable(String)') AS `sentiment`,
    JSONExtract(t.body, 'severity', 'Nullable(String)') AS `severity`,
    JSONExtract(t.body, 'site', 'Nullable(String)') AS `site`,
    JSONExtract(t.body, 'status', 'Nullable(String)') AS `status`,
    JSONExtract(t.body, 'step', 'Nullable(Int32)') AS `step`,
    JSONExtract(t.body, 'subject_hash', 'Nullable(String)') AS `subject_hash`,
    JSONExtract(t.body, 'talk_s', 'Nullable(Float64)') AS `talk_s`,
    JSONExtract(t.body, 'text', 'Nullable(String)') AS `text`,
    JSONExtract(t.body, 'text_hash', 'Nullable(String)') AS `text_hash`,
    JSONExtract(t.body, 'thread_id', 'Nullable(String)') AS `thread_id`,
    JSONExtract(t.body, 'tier', 'Nullable(String)') AS `tier`,
    JSONExtract(t.body, 'to', 'Nullable(String)') AS `to`,
    JSONExtract(t.body, 'tracking_no', 'Nullable(String)') AS `tracking_no`,
    JSONExtract(t.body, 'transfers', 'Nullable(Int32)') AS `transfers`,
    JSONExtract(t.body, 'trial', 'Nullable(Bool)') AS `trial`,
    JSONExtract(t.body, 'trigger_event_id', 'Nullable(String)') AS `trigger_event_id`,
    JSONExtract(t.body, 'verified', 'Nullable(Bool)') AS `verified`,
    JSONExtract(t.body, 'voluntary', 'Nullable(Bool)') AS `voluntary`,
    JSONExtract(t.body, 'wait_s', 'Nullable(Float64)') AS `wait_s`,
    JSONExtract(t.body, 'why', 'Nullable(String)') AS `why`,
    JSONExtract(t.body, 'x', 'Nullable(Float64)') AS `x`,
    JSONExtract(t.body, 'y', 'Nullable(Float64)') AS `y`,
    nullIf(t.title, '') AS `title`,
    t.product_ids AS `product_ids`,
    nullIf(t.session_id, '') AS `session_id`,
    nullIf(t.locale, '') AS `locale`,
    nullIf(t.utm_source, '') AS `utm_source`,
    nullIf(t.utm_medium, '') AS `utm_medium`,
    nullIf(t.utm_campaign, '') AS `utm_campaign`,
    nullIf(t.utm_term, '') AS `utm_term`,
    nullIf(t.utm_content, '') AS `utm_content`,
    nullIf(t.channel_group, '') AS `channel_group`,
    nullIf(t.referrer_domain, '') AS `referrer_domain`,
    nullIf(t.user_agent_family, '') AS `user_agent_family`,
    nullIf(t.device_class, '') AS `device_class`,
    t.is_bot AS `is_bot`,
    t.revision AS `revision`,
    t.sent_at AS `sent_at`,
    t.clock_skew_ms AS `clock_skew_ms`,
    mapFromArrays(t.consent.purpose, t.consent.granted) AS `consent`,
    t.ident_key AS `ident_key`,
    t.identities AS `identifiers`,
    t.body AS `body`
FROM touchpoints AS t FINAL
LEFT ANY JOIN
(
    SELECT ident_key, customer_uid FROM stitched FINAL WHERE rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules)
) AS w ON t.ident_key = w.ident_key
ASOF LEFT JOIN
(
    SELECT s.ident_key AS customer_uid, id, started_at, ended_at
    FROM stitched AS s FINAL
    ARRAY JOIN s.journey_id AS id, s.journey_started_at AS started_at, s.journey_ended_at AS ended_at
    WHERE s.rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules) AND s.is_anchor
) AS j ON w.customer_uid = j.customer_uid AND t.occurred_at >= j.started_at
ASOF LEFT JOIN
(
    SELECT s.ident_key AS customer_uid, id, started_at, ended_at
    FROM stitched AS s FINAL
    ARRAY JOIN s.visit_id AS id, s.visit_started_at AS started_at, s.visit_ended_at AS ended_at
    WHERE s.rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules) AND s.is_anchor
) AS v ON w.customer_uid = v.customer_uid AND t.occurred_at >= v.started_at
-- next
CREATE OR REPLACE VIEW `v_visits`
(
    `visit_id` UUID COMMENT 'The visit; made from its first touchpoint.',
    `customer_uid` UUID COMMENT 'The customer.',
    `journey_id` UUID COMMENT 'The journey it is part of.',
    `started_at` DateTime64(3, 'UTC') COMMENT 'First touchpoint.',
    `ended_at` DateTime64(3, 'UTC') COMMENT 'Last touchpoint.',
    `touchpoints` UInt32 COMMENT 'Number of touchpoints.',
    `channel` LowCardinality(String) COMMENT 'Channel of the first touchpoint.',
    `entry_url` Nullable(String) COMMENT 'First page.',
    `exit_url` Nullable(String) COMMENT 'Last page.',
    `channel_group` Nullable(String) COMMENT 'Marketing channel group it came by.',
    `utm_source` Nullable(String) COMMENT 'utm_source it came with.',
    `utm_medium` Nullable(String) COMMENT 'utm_medium it came with.',
    `utm_campaign` Nullable(String) COMMENT 'utm_campaign it came with.'
)
COMMENT 'Visits: web, app, chat and bot touchpoints of a customer without a long silence between them.'
AS SELECT
    a_id AS `visit_id`,
    s.ident_key AS `customer_uid`,
    s.journey_id[a_journey] AS `journey_id`,
    a_started_at AS `started_at`,
    a_ended_at AS `ended_at`,
    a_touchpoints AS `touchpoints`,
    a_channel AS `channel`,
    nullIf(a_entry_url, '') AS `entry_url`,
    nullIf(a_exit_url, '') AS `exit_url`,
    nullIf(a_channel_group, '') AS `channel_group`,
    nullIf(a_utm_source, '') AS `utm_source`,
    nullIf(a_utm_medium, '') AS `utm_medium`,
    nullIf(a_utm_campaign, '') AS `utm_campaign`
FROM stitched AS s FINAL
ARRAY JOIN s.visit_id AS a_id, s.visit_journey AS a_journey, s.visit_started_at AS a_started_at, s.visit_ended_at AS a_ended_at, s.visit_touchpoints AS a_touchpoints, s.visit_channel AS a_channel, s.visit_entry_url AS a_entry_url, s.visit_exit_url AS a_exit_url, s.visit_channel_group AS a_channel_group, s.visit_utm_source AS a_utm_source, s.visit_utm_medium AS a_utm_medium, s.visit_utm_campaign AS a_utm_campaign
WHERE s.rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules) AND s.is_anchor
-- next
CREATE OR REPLACE VIEW `v_journeys`
(
    `journey_id` UUID COMMENT 'The journey; made from its first touchpoint.',
    `customer_uid` UUID COMMENT 'The customer.',
    `started_at` DateTime64(3, 'UTC') COMMENT 'First touchpoint.',
    `ended_at` DateTime64(3, 'UTC') COMMENT 'Last touchpoint so far.',
    `touchpoints` UInt32 COMMENT 'Number of touchpoints.',
    `visits` UInt32 COMMENT 'Number of visits.',
    `channels` Array(String) COMMENT 'Distinct channels, sorted.',
    `stages` Array(String) COMMENT 'Distinct stages, sorted; any: a type without a stage.',
    `path` Array(String) COMMENT 'Types in order, repeats collapsed.',
    `orders` UInt32 COMMENT 'Distinct order_id of order.placed.',
    `revenue` Map(String, Int64) COMMENT 'Their amounts in minor units by currency.',
    `pain_points` UInt32 COMMENT 'Number of pain points.',
    `is_open` Bool COMMENT 'Whether a touchpoint now would still belong to it.'
)
COMMENT 'Journeys: all touchpoints of a customer from one long silence to the next, across channels.'
AS SELECT
    a_id AS `journey_id`,
    s.ident_key AS `customer_uid`,
    a_started_at AS `started_at`,
    a_ended_at AS `ended_at`,
    a_touchpoints AS `touchpoints`,
    a_visits AS `visits`,
    arraySort(arrayDistinct(arraySlice(s.step_channel, a_first_step, a_touchpoints))) AS `channels`,
    arraySort(arrayDistinct(arrayMap(x -> transform(toString(x), ['web.page_viewed', 'app.screen_viewed', 'content.read', 'site.searched', 'product.viewed', 'product.list_viewed', 'form.submitted', 'cart.item_added', 'cart.item_removed', 'checkout.step_reached', 'marketing.impression', 'marketing.clicked', 'marketing.unsubscribed', 'social.mentioned', 'social.interacted', 'support.call_started', 'support.call_ended', 'support.chat_started', 'support.chat_message', 'support.chat_ended', 'support.email_received', 'support.email_sent', 'support.ticket_created', 'support.ticket_updated', 'support.ticket_solved', 'support.ticket_reopened', 'support.escalated', 'complaint.raised', 'complaint.resolved', 'order.placed', 'order.changed', 'order.cancelled', 'payment.made', 'payment.failed', 'delivery.shipped', 'delivery.status_changed', 'delivery.delivered', 'return.requested', 'return.received', 'refund.issued', 'survey.sent', 'survey.answered', 'survey.declined', 'review.published', 'referral.sent', 'referral.converted', 'feedback.case_opened', 'feedback.action_taken', 'feedback.case_closed', 'account.registered', 'account.signed_in', 'account.identified', 'account.grouped', 'subscription.started', 'subscription.renewed', 'subscription.paused', 'subscription.changed', 'subscription.cancelled', 'loyalty.points_changed', 'loyalty.tier_changed', 'consent.changed', 'usage.used'], ['discover', 'discover', 'discover', 'consider', 'consider', 'consider', 'consider', 'buy', 'buy', 'buy', 'discover', 'discover', 'leave', 'advocate', 'advocate', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'buy', 'buy', 'buy', 'buy', 'buy', 'receive', 'receive', 'receive', 'return', 'return', 'return', 'stay', 'stay', 'stay', 'advocate', 'advocate', 'advocate', 'stay', 'stay', 'stay', 'consider', 'consider', 'consider', 'consider', 'stay', 'stay', 'stay', 'stay', 'leave', 'stay', 'stay', 'leave', 'use'], 'any'), arrayDistinct(arraySlice(s.step_type, a_first_step, a_touchpoints))))) AS `stages`,
    arrayCompact(arraySlice(s.step_type, a_first_step, a_touchpoints)) AS `path`,
    a_orders AS `orders`,
    mapFromArrays(tupleElement(a_revenue, 1), tupleElement(a_revenue, 2)) AS `revenue`,
    toUInt32(arrayCount((d, p) -> p = a_index AND (isNull(d) OR d <= now64(3)), s.pain_due_at, s.pain_journey)) AS `pain_points`,
    a_ended_at + toIntervalMillisecond((SELECT argMin(journey_gap_ms, tuple(settings = '', recorded_at)) FROM rules WHERE rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules))) >= now64(3) AS `is_open`
FROM stitched AS s FINAL
ARRAY JOIN s.journey_id AS a_id, s.journey_started_at AS a_started_at, s.journey_ended_at AS a_ended_at, s.journey_first_step AS a_first_step, s.journey_touchpoints AS a_touchpoints, s.journey_visits AS a_visits, s.journey_orders AS a_orders, s.journey_revenue AS a_revenue, arrayEnumerate(s.journey_id) AS a_index
WHERE s.rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules) AND s.is_anchor
-- next
CREATE OR REPLACE VIEW `v_journey_steps`
(
    `journey_id` UUID COMMENT 'The journey.',
    `customer_uid` UUID COMMENT 'The customer.',
    `step` UInt32 COMMENT 'Place in the journey, from 1.',
    `event_uid` UUID COMMENT 'The touchpoint.',
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'When it happened.',
    `type` LowCardinality(String) COMMENT 'What happened.',
    `stage` LowCardinality(String) COMMENT 'Stage of the customer\'s life it belongs to; any: to none.',
    `channel` LowCardinality(String) COMMENT 'Where it happened.',
    `seconds_since_previous` Nullable(Float64) COMMENT 'Seconds since the step before; NULL at step 1.'
)
COMMENT 'The touchpoints of every journey in their order, one row a step.'
AS SELECT
    s.journey_id[a_journey] AS `journey_id`,
    s.ident_key AS `customer_uid`,
    toUInt32(a_index - s.journey_first_step[a_journey] + 1) AS `step`,
    a_event_uid AS `event_uid`,
    a_occurred_at AS `occurred_at`,
    a_type AS `type`,
    transform(toString(a_type), ['web.page_viewed', 'app.screen_viewed', 'content.read', 'site.searched', 'product.viewed', 'product.list_viewed', 'form.submitted', 'cart.item_added', 'cart.item_removed', 'checkout.step_reached', 'marketing.impression', 'marketing.clicked', 'marketing.unsubscribed', 'social.mentioned', 'social.interacted', 'support.call_started', 'support.call_ended', 'support.chat_started', 'support.chat_message', 'support.chat_ended', 'support.email_received', 'support.email_sent', 'support.ticket_created', 'support.ticket_updated', 'support.ticket_solved', 'support.ticket_reopened', 'support.escalated', 'complaint.raised', 'complaint.resolved', 'order.placed', 'order.changed', 'order.cancelled', 'payment.made', 'payment.failed', 'delivery.shipped', 'delivery.status_changed', 'delivery.delivered', 'return.requested', 'return.received', 'refund.issued', 'survey.sent', 'survey.answered', 'survey.declined', 'review.published', 'referral.sent', 'referral.converted', 'feedback.case_opened', 'feedback.action_taken', 'feedback.case_closed', 'account.registered', 'account.signed_in', 'account.identified', 'account.grouped', 'subscription.started', 'subscription.renewed', 'subscription.paused', 'subscription.changed', 'subscription.cancelled', 'loyalty.points_changed', 'loyalty.tier_changed', 'consent.changed', 'usage.used'], ['discover', 'discover', 'discover', 'consider', 'consider', 'consider', 'consider', 'buy', 'buy', 'buy', 'discover', 'discover', 'leave', 'advocate', 'advocate', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'support', 'buy', 'buy', 'buy', 'buy', 'buy', 'receive', 'receive', 'receive', 'return', 'return', 'return', 'stay', 'stay', 'stay', 'advocate', 'advocate', 'advocate', 'stay', 'stay', 'stay', 'consider', 'consider', 'consider', 'consider', 'stay', 'stay', 'stay', 'stay', 'leave', 'stay', 'stay', 'leave', 'use'], 'any') AS `stage`,
    a_channel AS `channel`,
    if(a_index - s.journey_first_step[a_journey] + 1 = 1, NULL, dateDiff('millisecond', a_previous, a_occurred_at) / 1000) AS `seconds_since_previous`
FROM stitched AS s FINAL
ARRAY JOIN s.step_event_uid AS a_event_uid, s.step_occurred_at AS a_occurred_at, s.step_type AS a_type, s.step_channel AS a_channel, s.step_journey AS a_journey, arrayPopBack(arrayPushFront(s.step_occurred_at, toDateTime64(0, 3, 'UTC'))) AS a_previous, arrayEnumerate(s.step_event_uid) AS a_index
WHERE s.rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules) AND s.is_anchor
-- next
CREATE OR REPLACE VIEW `v_pain_points`
(
    `pain_point_id` UUID COMMENT 'The pain point.',
    `kind` LowCardinality(String) COMMENT 'What hurt: late_delivery, failed_payment, long_wait, …',
    `severity` LowCardinality(String) COMMENT 'low, medium or high.',
    `customer_uid` UUID COMMENT 'The customer.',
    `journey_id` UUID COMMENT 'The journey it lies in.',
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'When it hurt.',
    `order_id` Nullable(String) COMMENT 'Order it concerns.',
    `ticket_id` Nullable(String) COMMENT 'Support ticket it concerns.',
    `evidence` Array(UUID) COMMENT 'event_uid of the touchpoints that show it.',
    `detail` String COMMENT 'What happened, in words.',
    `rule_version` UInt32 COMMENT 'Version of the rule that found it.'
)
COMMENT 'Pain points: frictions found in the facts, with their evidence; absences from when they are due.'
AS SELECT
    a_id AS `pain_point_id`,
    a_kind AS `kind`,
    a_severity AS `severity`,
    s.ident_key AS `customer_uid`,
    s.journey_id[a_journey] AS `journey_id`,
    a_occurred_at AS `occurred_at`,
    nullIf(a_order_id, '') AS `order_id`,
    nullIf(a_ticket_id, '') AS `ticket_id`,
    a_evidence AS `evidence`,
    a_detail AS `detail`,
    a_rule_version AS `rule_version`
FROM stitched AS s FINAL
ARRAY JOIN s.pain_point_id AS a_id, s.pain_kind AS a_kind, s.pain_severity AS a_severity, s.pain_journey AS a_journey, s.pain_occurred_at AS a_occurred_at, s.pain_due_at AS a_due_at, s.pain_order_id AS a_order_id, s.pain_ticket_id AS a_ticket_id, s.pain_evidence AS a_evidence, s.pain_detail AS a_detail, s.pain_rule_version AS a_rule_version
WHERE s.rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules) AND s.is_anchor AND (isNull(a_due_at) OR a_due_at <= now64(3))
-- next
CREATE OR REPLACE VIEW `v_customers`
(
    `customer_uid` UUID COMMENT 'The customer: ident_key of its strongest, earliest identifier.',
    `first_seen_at` DateTime64(3, 'UTC') COMMENT 'First touchpoint.',
    `last_seen_at` DateTime64(3, 'UTC') COMMENT 'Last touchpoint so far.',
    `identifiers` Array(Tuple(kind Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14), ident_key UUID)) COMMENT 'All identifiers as (kind, ident_key), strongest first.',
    `touchpoints` UInt32 COMMENT 'Number of touchpoints; identity statements do not count.',
    `visits` UInt32 COMMENT 'Number of visits.',
    `journeys` UInt32 COMMENT 'Number of journeys.',
    `orders` UInt32 COMMENT 'Distinct order_id of order.placed.',
    `revenue` Map(String, Int64) COMMENT 'Their amounts in minor units by currency.',
    `pain_points` UInt32 COMMENT 'Number of pain points.'
)
COMMENT 'Customers with at least one touchpoint that counts, one row each.'
AS SELECT
    s.ident_key AS `customer_uid`,
    s.first_seen_at AS `first_seen_at`,
    s.last_seen_at AS `last_seen_at`,
    s.identifiers AS `identifiers`,
    s.touchpoints AS `touchpoints`,
    toUInt32(length(s.visit_id)) AS `visits`,
    toUInt32(length(s.journey_id)) AS `journeys`,
    s.orders AS `orders`,
    mapFromArrays(tupleElement(s.revenue, 1), tupleElement(s.revenue, 2)) AS `revenue`,
    toUInt32(arrayCount(d -> isNull(d) OR d <= now64(3), s.pain_due_at)) AS `pain_points`
FROM stitched AS s FINAL
WHERE s.rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules) AND s.is_anchor AND s.touchpoints > 0
-- next
CREATE OR REPLACE VIEW `v_identities`
(
    `kind` Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14) COMMENT 'Kind of the identifier; sorts by strength.',
    `ident_key` UUID COMMENT 'The identifier as keyed hash.',
    `customer_uid` UUID COMMENT 'The customer.',
    `shared` Bool COMMENT 'Whether it is shared by too many and so joins nobody.'
)
COMMENT 'Every identifier and the customer it belongs to.'
AS SELECT
    s.kind AS `kind`,
    s.ident_key AS `ident_key`,
    s.customer_uid AS `customer_uid`,
    s.shared AS `shared`
FROM stitched AS s FINAL
WHERE s.rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules)
-- next
CREATE OR REPLACE VIEW `v_identity_ledger`
(
    `changed_at` DateTime64(3, 'UTC') COMMENT 'Version of the results that brought the change.',
    `kind` Enum8('customer_id' = 0, 'loyalty_id' = 1, 'email' = 2, 'phone' = 3, 'ticket_requester' = 4, 'social_handle' = 5, 'order_id' = 6, 'shipment_id' = 7, 'return_id' = 8, 'ticket_id' = 9, 'conversation_id' = 10, 'subscription_id' = 11, 'device_id' = 12, 'cookie_id' = 13, 'other' = 14) COMMENT 'Kind of the identifier.',
    `ident_key` UUID COMMENT 'The identifier.',
    `from_customer_uid` Nullable(UUID) COMMENT 'Customer before; NULL: seen for the first time.',
    `to_customer_uid` UUID COMMENT 'Customer since.',
    `cause_event_uid` UUID COMMENT 'Touchpoint that caused it.',
    `rule` LowCardinality(String) COMMENT 'Rule that applied.'
)
COMMENT 'Every change of the customer that an identifier belongs to, with the touchpoint that caused it.'
AS SELECT
    l.version AS `changed_at`,
    l.kind AS `kind`,
    l.ident_key AS `ident_key`,
    l.before AS `from_customer_uid`,
    l.customer_uid AS `to_customer_uid`,
    l.cause_event_uid AS `cause_event_uid`,
    l.rule AS `rule`
FROM
(
    SELECT *, lagInFrame(toNullable(customer_uid)) OVER (PARTITION BY ident_key ORDER BY version, toString(customer_uid) ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS before
    FROM identity_ledger
    WHERE rules_version = (SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules)
) AS l
WHERE isNull(l.before) OR l.before != l.customer_uid
-- next
CREATE OR REPLACE VIEW `v_rejected`
(
    `rejected_at` DateTime64(3, 'UTC') COMMENT 'When it was rejected.',
    `topic` LowCardinality(String) COMMENT 'Topic.',
    `partition` UInt16 COMMENT 'Partition.',
    `offset` Int64 COMMENT 'Offset.',
    `reason` LowCardinality(String) COMMENT 'Why, from a closed list.',
    `detail` String COMMENT 'What exactly, and where in the record.',
    `schema` Nullable(String) COMMENT 'Writer\'s schema, as far as known.',
    `payload` Nullable(String) COMMENT 'The record\'s raw bytes; a tombstone has none.',
    `key` Nullable(String) COMMENT 'The record\'s Kafka key.',
    `log_id` LowCardinality(String) COMMENT 'Incarnation of the Kafka log that the offset counts in.'
)
COMMENT 'Records from Kafka that cannot become touchpoints, once each, with reason and original bytes.'
AS SELECT
    r.rejected_at AS `rejected_at`,
    r.topic AS `topic`,
    r.partition AS `partition`,
    r.offset AS `offset`,
    r.reason AS `reason`,
    r.detail AS `detail`,
    nullIf(r.schema, '') AS `schema`,
    r.payload AS `payload`,
    nullIf(r.key, '') AS `key`,
    r.log_id AS `log_id`
FROM rejected AS r FINAL
