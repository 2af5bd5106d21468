package data

import "encoding/json"

// Error is an answer that is no data.
type Error struct {
	Status  int
	Code    string
	Message string
	Details any  // null and absent are the same: an empty object is sent
	Wrapped bool // sent as {"data":[…]}, as /deleted is documented to
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// JSON is the body of the answer (DOC: one flat envelope, but for /deleted).
func (e *Error) JSON() []byte {
	details := e.Details
	if details == nil {
		details = struct{}{}
	}
	body := struct {
		Code    string `json:"code"`
		Details any    `json:"details"`
		Message string `json:"message"`
		Status  string `json:"status"`
	}{e.Code, details, e.Message, "error"}
	var out []byte
	var err error
	if e.Wrapped {
		out, err = json.Marshal(map[string]any{"data": []any{body}})
	} else {
		out, err = json.Marshal(body)
	}
	if err != nil {
		panic(err) // invariant: details are maps, lists and texts
	}
	return out
}

func param(name string) map[string]any { return map[string]any{"param_name": name} }

func errModule() *Error {
	return &Error{Status: 400, Code: "INVALID_MODULE", Message: "the module name given seems to be invalid", Details: map[string]any{"resource_path_index": 0}}
}

func errPath() *Error {
	return &Error{Status: 404, Code: "INVALID_URL_PATTERN", Message: "Please check if the URL trying to access is a correct one"}
}

func errMissing(name string) *Error {
	return &Error{Status: 400, Code: "REQUIRED_PARAM_MISSING", Message: "One of the expected parameter is missing", Details: param(name)}
}

func errParam(name string) *Error {
	return &Error{Status: 400, Code: "INVALID_DATA", Message: "Invalid value for the parameter", Details: param(name)}
}

func errPattern(name string) *Error {
	return &Error{Status: 400, Code: "PATTERN_NOT_MATCHED", Message: "Please check whether the input values are correct", Details: param(name)}
}

func errLimit(name string, limit int) *Error {
	return &Error{Status: 400, Code: "LIMIT_EXCEEDED", Message: "the maximum limit was exceeded", Details: map[string]any{"limit": limit, "param_name": name}}
}

func errAmbiguous(names ...string) *Error {
	var list []any
	for _, n := range names {
		list = append(list, param(n))
	}
	return &Error{Status: 400, Code: "AMBIGUITY_DURING_PROCESSING", Message: "Ambiguity while processing the request", Details: map[string]any{"ambiguity_due_to": list}}
}

func errID() *Error {
	return &Error{Status: 400, Code: "INVALID_DATA", Message: "the id given seems to be invalid", Details: map[string]any{"resource_path_index": 1}}
}
