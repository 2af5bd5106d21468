package exactonline

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// endPoints are the sync sets whose row version at a date can be asked for
// (DOC); for the others there is a full first load only.
var endPoints = map[string]string{
	"QuotationHeaders":          "sync_crm_quotation_headers",
	"QuotationLines":            "sync_crm_quotation_lines",
	"TransactionLines":          "sync_financial_transaction_lines",
	"ItemStorageLocations":      "sync_inventory_item_storage_locations",
	"ShopOrders":                "sync_manufacturing_shop_orders",
	"ShopOrderMaterialPlans":    "sync_manufacturing_shop_order_material_plans",
	"ShopOrderRoutingStepPlans": "sync_manufacturing_shop_order_routing_step_plans",
	"ShopOrderPurchasePlanning": "sync_manufacturing_shop_order_purchase_planning",
	"ShopOrderSubOrders":        "sync_manufacturing_shop_order_sub_orders",
	"MaterialIssues":            "sync_manufacturing_material_issues",
	"BillOfMaterialVersions":    "sync_manufacturing_bill_of_material_versions",
	"BillOfMaterialMaterials":   "sync_manufacturing_bill_of_material_materials",
	"PurchaseOrders":            "sync_purchaseorder_purchase_orders",
	"Projects":                  "sync_project_projects",
	"ProjectPlanning":           "sync_project_project_planning",
	"ProjectWBS":                "sync_project_project_wbs",
	"TimeCostTransactions":      "sync_project_time_cost_transactions",
	"SalesInvoices":             "sync_salesinvoice_sales_invoices",
	"GoodsDeliveries":           "sync_salesorder_goods_deliveries",
	"GoodsDeliveryLines":        "sync_salesorder_goods_delivery_lines",
	"SalesOrderHeaders":         "sync_salesorder_sales_order_headers",
	"SalesOrderLines":           "sync_salesorder_sales_order_lines",
	"Subscriptions":             "sync_subscription_subscriptions",
	"SubscriptionLines":         "sync_subscription_subscription_lines",
}

// syncTimestamp answers the row version of the first row that was modified at
// a date or later (DOC). GUESS: the wording of refusals, an empty list where
// there is no such row, and Modified, which repeats the date asked for.
func (s *Service) syncTimestamp(to route, query url.Values) emulator.Answer {
	name, ok := quoted(query.Get("endPoint"), "")
	if !ok {
		return refusal(http.StatusBadRequest, "Bad Request - Error in query syntax: endPoint.")
	}
	text, ok := quoted(query.Get("modified"), "datetime")
	since, err := readWall(text)
	if !ok || err != nil {
		return refusal(http.StatusBadRequest, fmt.Sprintf("Unrecognized 'Edm.DateTime' literal '%s' in '0'.", query.Get("modified")))
	}
	set := edm.Find(endPoints[name])
	if set == nil {
		return refusal(http.StatusBadRequest, "The endPoint '"+name+"' is not supported.")
	}
	if refused := s.forbidden(set, to.division); refused != nil {
		return *refused
	}
	body := []byte(`{"d":{"results":[]}}`)
	if version, found := s.store.FirstSince(set, to.division, since); found && !s.empty(set, to.division) {
		body = []byte(`{"d":{"__metadata":{"type":"Exact.Web.Api.Models.Sync.SyncTimestamp"},"API":`)
		body = rows.AppendText(body, name)
		body = append(body, `,"Modified":"/Date(`...)
		body = strconv.AppendInt(body, since.UnixMilli(), 10)
		body = append(body, `)/","TimeStampAsBigInt":"`...)
		body = strconv.AppendInt(body, version, 10)
		body = append(body, `"}}`...)
	}
	return emulator.Answer{Status: http.StatusOK, Header: jsonHeader(), Body: body}
}

// userHasRights answers whether the user may read what is under an endpoint,
// such as Logistics/Items (DOC; the form of the answer is GUESS). GUESS: what
// there is not, and whatever is no GET, is no right.
func (s *Service) userHasRights(to route, query url.Values) emulator.Answer {
	path, there := quoted(query.Get("endpoint"), "")
	action, given := quoted(query.Get("action"), "")
	if !there || !given || !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, strings.ToUpper(action)) {
		return refusal(http.StatusBadRequest, "Bad Request - Error in query syntax: endpoint and action.")
	}
	set := s.sets[canonical("{division}/"+path)]
	if set == nil {
		set = s.sets[canonical(path)]
	}
	may := set != nil && strings.EqualFold(action, http.MethodGet) &&
		set.Name != unseen && s.env.Share("noright", target(set, to.division), 1) == 0
	body := []byte(`{"d":{"UserHasRights":` + strconv.FormatBool(may) + `}}`)
	return emulator.Answer{Status: http.StatusOK, Header: jsonHeader(), Body: body}
}

// quoted is the inside of a literal: 'text', datetime'2024-01-01'.
func quoted(literal, kind string) (string, bool) {
	inner, a := strings.CutPrefix(literal, kind+"'")
	inner, b := strings.CutSuffix(inner, "'")
	return strings.ReplaceAll(inner, "''", "'"), a && b
}

// readWall reads a wall clock as if it were UTC.
func readWall(text string) (time.Time, error) {
	var at time.Time
	var err error
	for _, form := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if at, err = time.Parse(form, text); err == nil {
			return at, nil
		}
	}
	return at, err
}
