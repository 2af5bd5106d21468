package saasoptics

const salesOrdersFields = `
id                          id
name                        named
close_date                  date
contract_channel            text
contract_email              email
contract_entry_date         date
contract_is_job             bool
contract_lead_date          date
contract_lead_source        text
contract_notes              sentence
contract_number             doc C- 5
contract_number_field1,contract_number_field2 odd
contract_register_name      text
contract_sf_id              code
contract_text_field1,contract_text_field2 text
contract_unbalanced_revenue_exception bool
created                     at 0
created_by_username         user
customer_account_number     code
customer_alt_contact        person
customer_alt_phone          phone
customer_autopay_enrollment text
customer_billing_addr3      pick |null|Suite_5|2._OG
customer_billing_city       city
customer_billing_country    country
customer_billing_state      state
customer_billing_street     street
customer_billing_zip_code   zip
customer_code               code
customer_contact            person
customer_crm_id             code
customer_currency,customer_default_autorenewal_profile,customer_default_cadence_template text
customer_default_email_from_so text
customer_default_enable_ach_payment,customer_default_enable_cc_payment bool
customer_default_invoice_template,customer_default_theme text
customer_do_not_sync        bool
customer_email              email
customer_enable_autopay     bool
customer_entity_use_code    code
customer_fax                phone
customer_first_name         first
customer_industry           text
customer_invoice_email_preference,customer_invoice_print_preference bool
customer_item_sales_tax     text
customer_last_name          last
customer_market             text
customer_name               company
customer_notes              sentence
customer_number             code
customer_number_field1,customer_number_field2,customer_number_field3 odd
customer_parent,customer_payment_terms text
customer_phone              phone
customer_resale_number      code
customer_sales_rep          text
customer_sales_tax_code     code
customer_salutation,customer_segment,customer_sf_default_renewal_opportunity_rule text
customer_sf_opportunity_price_book_id,customer_sf_owner_id,customer_sfdc_object_id code
customer_shipping_addr3     pick |null|Suite_5|2._OG
customer_shipping_city      city
customer_shipping_country   country
customer_shipping_state     state
customer_shipping_street    street
customer_shipping_zip_code  zip
customer_subsegment,customer_text_field1,customer_text_field2,customer_text_field3,customer_type text
customer_unbalanced_revenue_exception bool
line_items [few {
  id                        lineid
  affected_transaction      text
  created                   at 0
  created_by_username       user
  invoice_billing_addr1     street
  invoice_billing_addr2,invoice_billing_addr3 pick |null|Suite_5|2._OG
  invoice_billing_city      city
  invoice_billing_country   country
  invoice_billing_state     state
  invoice_billing_zip_code  zip
  invoice_cadence_template  text
  invoice_date              date
  invoice_do_not_sync       bool
  invoice_ei_combine_all_description sentence
  invoice_ei_combine_lines,invoice_ei_theme text
  invoice_email_from_so,invoice_enable_ach_payment,invoice_enable_cc_payment bool
  invoice_ignore_date_when_syncing bool
  invoice_memo              sentence
  invoice_other,invoice_payment_terms text
  invoice_po_number         code
  invoice_qb_class,invoice_qb_customer_message,invoice_qb_payment_terms,invoice_qb_sales_rep text
  invoice_qb_template       text
  invoice_ship_date         date
  invoice_shipping_addr1    street
  invoice_shipping_addr2,invoice_shipping_addr3 pick |null|Suite_5|2._OG
  invoice_shipping_city     city
  invoice_shipping_country  country
  invoice_shipping_state    state
  invoice_shipping_zip_code zip
  invoice_suppress_zero_value_line_items,invoice_to_be_emailed,invoice_to_be_printed bool
  line_item_id              lineno
  processed                 bool
  project_template,renewed_transaction,sfdc_object_type,transaction_action text
  transaction_amount,transaction_amount_after_discount,transaction_arr_amount dec 2 0 9000
  transaction_billing_method,transaction_conversion text
  transaction_crm_opportunity_id,transaction_crm_opportunity_line_item_id code
  transaction_discount_amount dec 2 0 9000
  transaction_duration      text
  transaction_effective_change_date,transaction_effective_end_date,transaction_end_date date
  transaction_flagged       text
  transaction_foreign_exchange_rate dec 10 0 2
  transaction_generate_invoices,transaction_generate_revenue bool
  transaction_ili_description sentence
  transaction_ili_qb_class  text
  transaction_invoice_end_date date
  transaction_invoice_quantity dec 4 1 50
  transaction_invoice_start_date date
  transaction_item_class_name text
  transaction_item_code     code
  transaction_item_name     text
  transaction_monthly_rate  dec 10 0 2
  transaction_normalized_amount dec 2 0 9000
  transaction_normalized_term text
  transaction_notes         sentence
  transaction_number_field1,transaction_number_field2 odd
  transaction_order_date    date
  transaction_order_number  code
  transaction_quantity      dec 4 1 50
  transaction_recognize     bool
  transaction_renew_using_item text
  transaction_renewal_amount dec 2 0 9000
  transaction_renewal_amount_percentage dec 4 0 100
  transaction_renewal_duration,transaction_renewal_factor text
  transaction_renewal_probability dec 4 0 100
  transaction_renewal_quantity dec 4 1 50
  transaction_revenue_amount dec 2 0 9000
  transaction_revenue_end_date date
  transaction_revenue_recognition_method text
  transaction_revenue_start_date date
  transaction_sales_manager,transaction_sales_rep text
  transaction_sf_group_id,transaction_sf_id code
  transaction_sf_renewal_opportunitiy_rule text
  transaction_start_date    date
  transaction_term_number   int 1 40
  transaction_text_field1,transaction_text_field2 text
  transaction_unbalanced_revenue_exception bool
}
order_notes                 note
order_total                 money unit 2
project_name,project_template text
quickbooks_job_account_number code
quickbooks_job_addr1        street
quickbooks_job_addr2,quickbooks_job_addr3 pick |null|Suite_5|2._OG
quickbooks_job_alt_contact  person
quickbooks_job_alt_phone    phone
quickbooks_job_city         city
quickbooks_job_company_name company
quickbooks_job_contact      person
quickbooks_job_country      country
quickbooks_job_default_credit_memo_template sentence
quickbooks_job_default_invoice_template text
quickbooks_job_description  sentence
quickbooks_job_email        email
quickbooks_job_end_date     date
quickbooks_job_fax          phone
quickbooks_job_first_name   first
quickbooks_job_invoice_email_preference,quickbooks_job_invoice_print_preference,quickbooks_job_is_active bool
quickbooks_job_last_name    last
quickbooks_job_name,quickbooks_job_payment_terms text
quickbooks_job_phone        phone
quickbooks_job_projected_end_date date
quickbooks_job_resale_number code
quickbooks_job_sales_rep,quickbooks_job_salutation text
quickbooks_job_shipping_addr1 street
quickbooks_job_shipping_addr2,quickbooks_job_shipping_addr3 pick |null|Suite_5|2._OG
quickbooks_job_shipping_city city
quickbooks_job_shipping_country country
quickbooks_job_shipping_state state
quickbooks_job_shipping_zip_code zip
quickbooks_job_start_date   date
quickbooks_job_state        state
quickbooks_job_status,quickbooks_job_type text
quickbooks_job_zip_code     zip
sales_order_id              doc SO- 5
stage_name,type             text
`
