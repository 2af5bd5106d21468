package accountview

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

var paths = []string{
	"companies", "accountviewdata?BusinessObject=AR1", "accountviewsystemdata?BusinessObject=ADL",
	"accountviewsystembusinessobjects", "accountviewbusinessobjects", "accountviewfields?BusinessObject=AR1", "nothing",
}

// TestUnauthorized: without a token that is good there is 401 on every path.
func TestUnauthorized(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	for _, path := range paths {
		for _, header := range []string{"", "Bearer", "Bearer x", "Basic eDp5"} {
			r := a.Ask(http.MethodGet, mount+"/api/v3/"+path, "", "Authorization", header, "x-company", a.company)
			require.Equal(t, http.StatusUnauthorized, r.Status, "%s %s", path, header)
			require.JSONEq(t, `{"Message":"Authorization has been denied for this request."}`, r.Body)
		}
	}
	a = newAPI(t, emulator.Options{}, "stale-token=1@debtors")
	require.Equal(t, http.StatusOK, a.data("AP1").Status)
	require.Equal(t, http.StatusUnauthorized, a.data("AR1").Status)
	require.Equal(t, http.StatusOK, a.data("AR1").Status)
}

// TestCompany: companies are listed without x-company, nothing else is.
func TestCompany(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	ours := a.company
	a.company = ""
	r := a.get("companies")
	require.Equal(t, http.StatusOK, r.Status)
	var list []map[string]string
	require.NoError(t, json.Unmarshal([]byte(r.Body), &list))
	require.Len(t, list, 2)
	for _, c := range list {
		require.Len(t, c, 3)
		require.NotEmpty(t, c["Id"])
		require.NotEmpty(t, c["Code"])
		require.NotEmpty(t, c["Description"])
	}
	for _, path := range paths[1:6] {
		a.company = ""
		require.Equal(t, "AccountViewError", a.fails(http.StatusBadRequest, a.get(path)).ErrorType, path)
		a.company = "11111111-6a51-4a0e-9a0e-2f9c1c0e4b11"
		require.Contains(t, a.fails(http.StatusBadRequest, a.get(path)).ErrorMessage, a.company)
	}
	b := newAPI(t, emulator.Options{}, "company-200")
	b.company = ""
	b.fails(http.StatusOK, b.data("AR1"))
	b.company = strings.ToUpper(ours)
	require.Equal(t, http.StatusOK, b.data("AR1").Status)
	// The companies have rows of their own.
	first, second := a.service.companies[0], a.service.companies[1]
	a.company = first.id
	one := a.list("CONTACT", "AR1", "PageSize", "50")
	a.company = second.id
	two := a.list("CONTACT", "AR1", "PageSize", "50")
	require.NotEqual(t, one[0]["ACCT_BAL"], two[0]["ACCT_BAL"])
	require.Less(t, len(two), len(one))
}

// TestCase: paths, parameters and codes are the same in any case.
func TestCase(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	want := members[string](t, a.list("CONTACT", "AR1", "PageSize", "3", "LastKey", "1"), "SUB_NR")
	r := a.get("AccountViewDATA", "businessobject", "ar1", "PAGESIZE", "3", "lastKey", "1")
	require.Equal(t, want, members[string](t, a.object(r)["CONTACT"], "SUB_NR"))
	require.Equal(t, http.StatusOK, a.get("Companies").Status)
	upper := a.Ask(http.MethodGet, mount+"/API/V3/Companies", "", "Authorization", "bearer "+a.token)
	require.Equal(t, http.StatusOK, upper.Status)
	require.Len(t, a.list("CONTACT", "AR1", "PageSize", "5", "fields", "Contact.Sub_Nr,CNG_date"), 5)
}

// TestStrict: what the service does not know is refused.
func TestStrict(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	require.Equal(t, http.StatusNotFound, a.get("accountview").Status)
	require.Contains(t, a.get("accountview").Body, `{"Message":`)
	require.Contains(t, a.Ask(http.MethodGet, mount+"/companies", "").Body, "<!doctype html>")
	bearer := []string{"Authorization", "Bearer " + a.token, "x-company", a.company}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		require.Equal(t, http.StatusMethodNotAllowed, a.Ask(method, mount+"/api/v3/accountviewdata", "{}", bearer...).Status)
	}
	address := mount + "/api/v3/accountviewdata?BusinessObject=CC1"
	for accept, status := range map[string]int{
		"": http.StatusOK, "*/*": http.StatusOK, "text/html, application/json;q=0.5": http.StatusOK,
		"application/xml": http.StatusNotAcceptable,
	} {
		require.Equal(t, status, a.Ask(http.MethodGet, address, "", append(slices.Clone(bearer), "Accept", accept)...).Status, accept)
	}
	for _, query := range []string{"&Page=2", "&PageSize=2&pagesize=3", "&FilterValue=1", "&%zz"} {
		a.fails(http.StatusBadRequest, a.get("accountviewdata?BusinessObject=AR1"+query))
	}
	a.fails(http.StatusBadRequest, a.get("companies", "PageSize", "2"))
	a.fails(http.StatusBadRequest, a.get("accountviewsystembusinessobjects", "x", "2"))
	for _, size := range []string{"0", "-1", "many", ""} {
		a.fails(http.StatusOK, a.data("AR1", "PageSize", size))
	}
	a.fails(http.StatusOK, a.data("AR1", "PageNumber", "0"))
	a.fails(http.StatusOK, a.data("AR1", "PageNumber", "2", "LastKey", "1"))
	a.fails(http.StatusOK, a.data("AR1", "SortFields", "SUB_NR", "LastKey", "1"))
	a.fails(http.StatusOK, a.data("AR1", "SortOrder", "up"))
	a.fails(http.StatusOK, a.data("AR1", "BookDate", "2026"))
	a.fails(http.StatusOK, a.get("accountviewdata"))
	a.fails(http.StatusOK, a.get("accountviewsystemdata", "BusinessObject", "AR1"))
	require.Equal(t, http.StatusOK, a.data("FLD", "PageSize", "1").Status, "an older habit")
}

// TestErrors: they come with 200, or with another status.
func TestErrors(t *testing.T) {
	plainStatus, other := newAPI(t, emulator.Options{}), newAPI(t, emulator.Options{}, "errors-4xx")
	for object, status := range map[string]int{"XX9": http.StatusBadRequest, "SBS": http.StatusForbidden} {
		f := plainStatus.fails(http.StatusOK, plainStatus.data(object))
		require.Equal(t, f, other.fails(status, other.data(object)))
		require.Equal(t, "AccountViewError", f.ErrorType)
	}
	require.Equal(t, []int{1708}, plainStatus.fails(http.StatusOK, plainStatus.data("XX9")).ErrorNumbers)
	require.Contains(t, plainStatus.data("SBS").Body, `"ErrorNumbers":null`)
	b := newAPI(t, emulator.Options{}, "noright@debtors")
	b.fails(http.StatusOK, b.data("AR1"))
	require.Equal(t, http.StatusOK, b.data("AP1").Status)
	require.Empty(t, b.Truth("debtors"))
}

// TestTroubles: what a desktop behind a gateway does.
func TestTroubles(t *testing.T) {
	a := newAPI(t, emulator.Options{}, "offline=1@debtors", "admin-blocked=1@creditors", "error-200=1@articles")
	a.fails(http.StatusOK, a.data("AK1"))
	require.NotEmpty(t, a.list("ARTICLE", "AK1"))
	require.Equal(t, "ServiceError", a.fails(http.StatusServiceUnavailable, a.data("AR1")).ErrorType)
	require.Equal(t, http.StatusOK, a.data("AR1").Status)
	a.fails(http.StatusInternalServerError, a.data("AP1"))
	require.Equal(t, http.StatusOK, a.data("AP1").Status)
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{}, "stall=1@debtors", "gateway@articles")
		began := time.Now()
		require.Equal(t, http.StatusOK, a.data("AR1").Status)
		require.Equal(t, 10*time.Minute, time.Since(began))
		a.token = a.refresh(RefreshToken).AccessToken
		began = time.Now()
		r := a.data("AK1")
		require.Equal(t, http.StatusGatewayTimeout, r.Status)
		require.Contains(t, r.Header.Get("Content-Type"), "text/html")
		require.Equal(t, gatewayTime, time.Since(began))
		require.Equal(t, http.StatusOK, a.data("AK1", "PageSize", "100").Status)
	})
	// A client that does not wait so long gets nothing.
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{}, "stall")
		ctx, end := context.WithTimeout(t.Context(), 300*time.Second)
		defer end()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, mount+"/api/v3/accountviewdata?BusinessObject=AR1", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+a.token)
		r.Header.Set("x-company", a.company)
		response, err := a.Client.Do(r)
		if err == nil {
			require.NoError(t, response.Body.Close())
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		require.Equal(t, 1, a.service.AtOnce(a.company))
		a.service.Reset()
		require.Zero(t, a.service.AtOnce(a.company), "it has left")
	})
	// The sandbox's own faults use the words of the service.
	for name, want := range map[string]struct {
		status int
		text   string
	}{
		"429": {http.StatusTooManyRequests, "ServiceError"}, "401": {http.StatusUnauthorized, "Message"},
		"403": {http.StatusForbidden, "AccountViewError"}, "404": {http.StatusNotFound, "Message"},
		"502": {http.StatusBadGateway, "<!doctype html>"},
	} {
		a := newAPI(t, emulator.Options{Faults: name + "@debtors"})
		r := a.data("AR1")
		require.Equal(t, want.status, r.Status)
		require.Contains(t, r.Body, want.text)
		require.Equal(t, name == "429", r.Header.Get("Retry-After") != "")
	}
	_, err := emulator.New(emulator.Options{}, Switched(nil, "nope"))
	require.ErrorContains(t, err, "nope")
	for name, meaning := range Switches() {
		require.NotEmpty(t, meaning, name)
	}
}

// TestResource names the stream that a request reads.
func TestResource(t *testing.T) {
	s := newAPI(t, emulator.Options{}).service
	for _, c := range [][2]string{
		{"/api/v3/accountviewdata?businessobject=ar1", "debtors"},
		{"/api/v3/AccountViewData?BusinessObject=DJ2", "journal_pages"},
		{"/api/v3/accountviewdata?BusinessObject=AK1", "articles"},
		{"/api/v3/accountviewdata?BusinessObject=AK1&fields=article.art_code,QTY_AVAIL", "article_stock"},
		{"/api/v3/accountviewdata?BusinessObject=AK1&Fields=ART_CODE,CNG_DATE", "articles"},
		{"/api/v3/accountviewdata?BusinessObject=DJ2S", "objects/dj2s"},
		{"/api/v3/accountviewsystemdata?BusinessObject=FLD", "dictionary_fields"},
		{"/api/v3/accountviewdata", "data"},
		{"/api/v3/accountviewdata?BusinessObject=nope", "data"},
		{"/api/v3/companies", "companies"},
		{"/api/v3/accountviewsystembusinessobjects", "business_objects"},
		{"/api/v3/token", "token"},
		{"/ams/authorize.aspx", "authorize"},
		{"/x", "unknown"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, standintest.Origin+c[0], http.NoBody)
		require.NoError(t, err)
		require.Equal(t, c[1], s.ResourceOf(r), c[0])
	}
	require.Equal(t, "data", s.Resource("/api/v3/accountviewdata"))
}

// TestQueue: calls of a company are answered one after another, and who comes
// at once pays for it; companies do not wait for each other.
func TestQueue(t *testing.T) {
	took := func(t *testing.T, companies ...int) (time.Duration, []int) {
		var spent time.Duration
		var statuses []int
		synctest.Test(t, func(t *testing.T) {
			a := newAPI(t, emulator.Options{Limits: "real"})
			began := time.Now()
			done := make(chan int)
			for _, k := range companies {
				go func() {
					done <- a.Ask(http.MethodGet, mount+"/api/v3/accountviewdata?BusinessObject=CC1", "",
						"Authorization", "Bearer "+a.token, "x-company", a.service.companies[k].id).Status
				}()
			}
			for range companies {
				statuses = append(statuses, <-done)
			}
			spent = time.Since(began)
			if len(companies) == 3 {
				require.Equal(t, 3, a.service.AtOnce(a.company))
			}
		})
		return spent, statuses
	}
	one, _ := took(t, 0)
	require.Equal(t, callTime, one)
	two, _ := took(t, 0, 1)
	require.Equal(t, callTime, two)
	three, statuses := took(t, 0, 0, 0)
	require.Equal(t, 3*callTime+2*switchTime, three)
	require.Equal(t, []int{200, 200, 200}, statuses)

	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{}, "exclusive")
		done := make(chan int)
		for range 2 {
			go func() { done <- a.data("CC1").Status }()
		}
		require.ElementsMatch(t, []int{200, 503}, []int{<-done, <-done})
		require.Equal(t, http.StatusOK, a.data("CC1").Status)
	})
}
