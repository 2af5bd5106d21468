package saasoptics

const billingDescriptionsFields = `
id                          id
name                        text!
contents,notes              sentence
`

const accountsFields = `
id                          id
name                        pick Deferred_revenue|Accounts_receivable|Revenue_–_licences|Umsatzerlöse_19_%
account_type                pick Income|Bank|AccountsReceivable|OtherCurrentLiability
intacct_id                  code
intacct_modified            time
intacct_recordno            int 1 40
netsuite_id                 code
source_system               text
`

const autoRenewalProfilesFields = `
id                          id
name                        text!
days                        int! 0 90
generate_revenue            bool
months                      int! 1 36
recognize                   bool
`

const billingMethodsFields = `
id                          id
name                        pick Annual|Monthly|Quarterly|Upfront
`

const paymentTermsFields = `
id                          id
name                        pick Net_30|Net_45|Due_on_receipt|14_Tage_netto
intacct_id                  code
intacct_modified            time
intacct_recordno            int 1 40
is_active                   bool
netsuite_id                 code
num_days                    number 0 90
`

const revenueRecognitionMethodsFields = `
id                          id
name                        pick Daily|Even_monthly|Point_in_time
`

const countryCodesFields = `
id                          id
code                        countrylist code
name                        countrylist name
`

const currencyCodesFields = `
code                        currencylist code
name                        currencylist name
`
