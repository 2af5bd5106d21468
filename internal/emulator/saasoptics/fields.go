package saasoptics

const customersFields = `
id                          id
number                      doc CU- 5
name                        named
code                        code
autopay_enrollment          text
billing_profile {
  account_number            code
  name,company_name         company
  full_name                 person
  salutation                pick Ms|Mr|Dr.|null|
  first_name                first
  last_name                 last
  contact,alt_contact       person
  addr1                     street
  addr2,addr3               pick |null|Suite_5|2._OG
  city                      city
  state                     state
  zip_code                  zip
  country                   country
  shipping_addr1            street
  phone,fax,alt_phone       phone
  email                     email
  avatax_address_validation_timestamp time
  currency,customer_type,default_class,default_credit_memo_template,default_invoice_template int~string 1 40
  edit_sequence             text
  entity_use_code           int~string 1 40
  invoice_email_preference,invoice_print_preference,is_active bool
  item_sales_tax            int~string 1 40
  last_updated_by_qb        bool
  payment_method            int~string 1 40
  payment_terms             int 1 9
  resale_number             code
  sales_rep                 int~string 1 40
  sales_rep_fullname        person
  sales_tax_code            int~string 1 40
  shipping_addr2,shipping_addr3 pick |null|Suite_5|2._OG
  shipping_city             city
  shipping_country          country
  shipping_state            state
  shipping_zip_code         zip
  tax_exemption_reason      text
}
cc_email                    email
crm_id                      code
default_autorenewal_profile text
default_email_from_so,default_enable_ach_payment,default_enable_cc_payment bool
default_theme               int~string 1 40
do_not_sync                 bool
einvoicing_id               code
email                       email
enable_autopay              bool
escalation_email            email
industry                    text
is_active                   bool
market                      text
modified                    at 0
notes                       note
number_field1,number_field2,number_field3 odd
parent                      parent
qb_id,recurly_id            code
segment                     text
sf_default_renewal_opportunity_rule int 1 40
sf_id                       token
sf_opportunity_price_book_id,sf_owner_id,stripe_id code
subsegment,text_field1,text_field2,text_field3 text
unbalanced_revenue_exception bool
domain                      text
chargify_id                 code
autopay_status              text
is_paying_customer          bool
auditentry {
  created                   at 1
  created_by                int 1 40
  created_by_name           user
  modified                  at 0
  modified_by               int 1 40
  modified_by_name          user
}
c_account_type,c_po_reqd_for_invoicing text
c_salesforce_id             code
c_subvertical,c_vertical    text
c_region_tier?              pick gold|silver|null|
c_nps_score?                int 0 10
c_onboarding? {
  owner                     user
  done                      bool
}
`

const contractsFields = `
id                          id
number                      doc C- 5
maxio_id                    pick null|null|mx_77
entry_date                  day 1 0
is_active                   bool
notes                       note
qb_job_id                   code
is_job,unbalanced_revenue_exception bool
email                       email
default_cadence_template    text
sf_id                       token
register                    int 1 3
register_maxio_id           code
customer                    ref customers 3
billing_profile {
  parent_id,account_number  code
  name,company_name         company
  full_name                 person
  salutation                pick Ms|Mr|Dr.|null|
  first_name                first
  last_name                 last
  contact,alt_contact       person
  addr1                     street
  addr2,addr3               pick |null|Suite_5|2._OG
  city                      city
  state                     state
  zip_code                  zip
  country                   country
  shipping_addr1            street
  phone,fax,alt_phone       phone
  email                     email
  currency                  int 1 40
  customer_type_ref_fullname text
  default_credit_memo_template,default_invoice_template int~string 1 40
  edit_sequence             text
  entity_use_code           int~string 1 40
  invoice_email_preference,invoice_print_preference,is_active bool
  job_description           sentence
  job_end_date,job_projected_end_date,job_start_date date
  job_status                text
  job_type                  int~string 1 40
  payment_terms             int 1 9
  resale_number             code
  sales_rep                 int 1 40
  shipping_addr2,shipping_addr3 pick |null|Suite_5|2._OG
  shipping_city             city
  shipping_country          country
  shipping_state            state
  shipping_zip_code         zip
  qbo_bill_parent_customer  bool
  tax_exemption_reason      text
}
created                     at 1
created_by                  int 1 40
created_by_name             user
modified                    at 0
modified_by                 int 1 40
modified_by_name            user
text_field1,text_field2     text
number_field1,number_field2 odd
channel,lead_source         text
lead_date                   date
c_deal_desk?                text
c_discount_pct?             odd
`

const itemsFields = `
id                          id
name                        named
code                        doc IT- 4
asset_account               int 1 24
avatax_id,avatax_sales_tax_code code
billing_description         sentence
billing_method              int 1 8
create_revenue              bool
default_duration            pick 12|1|36|null
description                 note
enable_create_transactions,enforce_start_date_after_end_date bool
gl_created                  time
gl_description              sentence
gl_is_active                bool
gl_modified                 time
gl_name                     text
income_account              int 1 24
intacct_id                  code
intacct_modified            time
intacct_recordno            code
is_active,is_discount,is_sales_tax,is_taxable bool
liability_account           int 1 24
modified                    at 0
needs_so_profile            bool
netsuite_id                 code
netsuite_modified           time
normalized_term             pick month|year|null
product_family              text
qb_account                  int 1 40
qb_id                       code
qb_only                     bool
qb_sales_tax_code,recurly_id code
recurring,renew_all_open_transactions,renew_using_same_item bool
revenue_recognition_method  int 1 6
sf_do_not_sync              bool
source_system               text
stripe_id                   code
sync_invoices               bool
transaction_end_date,transaction_start_date date
wizard_enabled,use_chargify_start_and_end_dates bool
modified_by_name            user
`

const registersFields = `
id                          id
name                        named
currency_code               pick EUR|USD
default_qb_ar_account,generated_invoice_number_prefix text
modified                    at 0
`

const deletedFields = `
id                          id
deleted                     at 0
deleted_by                  deleter
`
