package saasoptics

const invoicesFields = `
id                          id
number                      doc INV-2026- 1
date                        day 1 30
due_date                    day 1 60
ship_date                   date
po_number                   code
memo                        note
type                        pick invoice|invoice|credit_memo
is_paid                     paid
subtotal                    money subtotal 2
sales_tax                   money tax 2
sales_tax_percentage        pick 21.0000
applied_amount              money applied 2
balance                     money balance 2
foreign_exchange_rate       pick 1.0873000000
local_amount                money total 2
home_amount                 money home 2
contract                    ref contracts 2
external_id                 code
committed                   bool
committed_timestamp         time
tax_lines                   taxlines
last_emailed,last_clicked,last_opened time
einvoicing_url              url
avatax_commit_timestamp     time
avatax_id                   code
avatax_modify_timestamp     time
avatax_reconciliation_status,avatax_status text
billing_addr1               street
billing_addr2,billing_addr3 pick |null|Suite_5|2._OG
billing_city                city
billing_country             country
billing_state               state
billing_zip_code            zip
deleted_in_qb,do_not_sync   bool
ei_theme                    int 1 40
email_from_so               bool
enable_ach_payment,enable_cc_payment bool~truth
exported_date               time
ignore_date_when_syncing    bool
line_items [lines {
  id                        lineid
  number                    lineno
  item                      any items
  transaction               ref transactions 1
  invoice                   id
  quantity                  pick 1.0000|2.0000|0.5000
  local_amount              money line 2
  home_amount               money linehome 2
  deleted_in_qb             bool
  exported_date             time
  external_id               code
  modified                  at 0
  no_transaction_permitted  bool
  notes                     sentence
  qb_class                  int 1 40
  qb_time_modified          time
  qb_txn_line_id,recurly_id code
  refund_of                 int 1 40
  refund_of_stripe_id,sf_id,stripe_id code
  sync_date                 time
  modified_by_name          user
}
other                       text
qb_ar_account,qb_class      int 1 40
qb_currency,qb_customer_message int~string 1 40
qb_number                   code
qb_payment_terms,qb_sales_rep,qb_template int 1 40
qb_txn_id,recurly_id        code
refund_of                   int~string 1 40
sf_id                       code
shipping_addr1              street
shipping_addr2,shipping_addr3 pick |null|Suite_5|2._OG
shipping_city               city
shipping_country            country
shipping_state              state
shipping_zip_code           zip
stripe_id,stripe_refund_id  code
sync_date                   time
to_be_emailed,to_be_printed bool
chargify_id                 code
einvoicing_url_no_click_tracking url
* audit
`

const transactionsFields = `
id                          id
number                      doc T- 6
always_use_amount_as_normalized_amount,automatically_update_revenue bool
autorenewal_profile         int 1 5
billing_method              int! 1 8
cancelled                   bool
contract                    ref contracts 2
conversion                  text
crm_opportunity_id,crm_opportunity_line_item_id code
different_invoice_item_permitted,do_not_sync_invoices bool
duration                    pick 12|12_months
end_date                    term end
flagged                     text
foreign_exchange_rate       pick 1.0873000000
home_amount                 money unithome 2
home_arr_amount             money unithome 4
home_normalized_amount      dec 2 0 9000
home_normalized_rate,home_rate dec 10 0 2
ili_qb_class                code~integer
invoice_description         sentence
is_autorenewal              bool
item                        any items
item_class                  int 1 40
local_amount                money unit 2
local_arr_amount            money unit 4
local_normalized_amount     dec 2 0 9000
local_normalized_rate,local_rate dec 10 0 2
modified                    at 0
monthyear                   pick month|year
notes                       note
number_field1,number_field2 odd
order_date                  day 1 0
order_number                code
project                     int~string 1 40
quantity                    dec 4 1 50
recognize,reconcile_required bool
renew_using_item            any items
renewal_amount              dec 2 0 9000
renewal_amount_percentage   dec 4 0 100
renewal_amount_value        dec 2 0 9000
renewal_duration            text
renewal_factor              int 1 40
renewal_of_set              pickset
renewal_probability         dec 4 0 100
renewal_quantity            dec 4 1 50
revenue_amount              dec 2 0 9000
revenue_notes               sentence
sales_manager,sales_rep     text
sf_group_id                 code
sf_id                       token
sf_opportunity_id,sf_opportunity_line_item_id,sf_renewal_opportunity_id,sf_renewal_opportunity_line_item_id code
sf_renewal_opportunity_rule code~integer
start_date                  term start
term_number                 int 1 40
text_field1,text_field2     text
unbalanced_revenue_exception bool
is_renewed                  text
renewal_billing_method      int 1 8
hubspot_renewal_deal_rule   int 1 40
advanced_billing_subscription_id,advanced_billing_subscription_line_id code
auditentry {
  created                   at 1
  created_by                int 1 40
  created_by_name           user
  modified                  at 2
  modified_by               int 1 40
  modified_by_name          user
}
c_usage_tier?               number 0 9
`

const revenueEntriesFields = `
id                          id
end_date                    month last
home_amount                 money unithome 2
local_amount                money unit 2
modified                    at 0
start_date                  month first
transaction                 ref transactions 12
`

const paymentsFields = `
id                          id
number                      doc P- 5
boolean_field{1..20}        bool
chargify_id                 code
contract                    ref contracts 2
created                     at 1
created_by                  int 1 40
created_by_name             user
currency                    pick EUR|USD|GBP
customer                    ref customers 6
date                        day 1 5
date_field{1..20}           date
description                 note
dropdown_field{1..20}       pick Red|Green|Blue|null|
failure_code                code
failure_message             text
foreign_exchange_rate       pick 1.0873000000
funding_name                text
lines [1 {
  id                        lineid
  invoice                   ref invoices 1
  local_amount              money unit 2
  chargify_id               code
  netsuite_line             text
  xero_batch_payment_id,xero_id code
}
local_amount,local_applied_amount money unit 2
local_unapplied_amount      pick 0.00
modified                    at 0
modified_by                 int 1 40
modified_by_name            user
netsuite_id                 code
number_field{1..20}         odd
qb_id                       code
qb_payment_method           text
reference_number            code
refund_of                   text
source_created              time
source_id                   code
source_modified             time
source_system               text
status                      pick succeeded|failed|pending
stripe_id                   token
sync,sync_to_chargify,test  bool
text_field{1..20}           text
type                        pick check|credit_card|ach
`
