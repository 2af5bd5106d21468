package accountview

import (
	"net/http"
	"strings"
)

const apiRoot = "/api/v3/"

// The endpoints.
const (
	endpointToken     = "token"
	endpointAuthorize = "authorize"
	endpointCompanies = "companies"
	endpointData      = "data"
	endpointSystem    = "system"
	endpointObjects   = "business_objects"
	endpointFields    = "fields"
	endpointUnknown   = "unknown"
)

// route finds the endpoint of a path, whose case does not matter (CLIENT). api
// tells whether it is below the root of the API.
func route(path string) (endpoint string, api bool) {
	path = strings.ToLower(path)
	rest, api := strings.CutPrefix(path, apiRoot)
	if !api {
		if path == "/ams/authorize.aspx" {
			return endpointAuthorize, false
		}
		return endpointUnknown, false
	}
	switch rest {
	case "token":
		return endpointToken, true
	case "companies":
		return endpointCompanies, true
	case "accountviewdata":
		return endpointData, true
	case "accountviewsystemdata":
		return endpointSystem, true
	case "accountviewsystembusinessobjects", "accountviewbusinessobjects":
		return endpointObjects, true
	case "accountviewfields":
		return endpointFields, true
	}
	return endpointUnknown, true
}

// Resource names what a path belongs to. All tables have one path: which stream
// is read stands in the query, see [Service.ResourceOf].
func (*Service) Resource(path string) string {
	endpoint, _ := route(path)
	return endpoint
}

// ResourceOf names the stream that a request reads.
func (s *Service) ResourceOf(r *http.Request) string {
	endpoint, _ := route(r.URL.Path)
	if endpoint != endpointData && endpoint != endpointSystem {
		return endpoint
	}
	words, wrong := fold(r.URL.RawQuery)
	if wrong != nil {
		return endpoint
	}
	o := s.objectByCode(words.Get("businessobject"))
	if o == nil {
		return endpoint
	}
	return s.streamOf(&query{object: o, words: words})
}
